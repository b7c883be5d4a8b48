import { useHotkeys } from '@mantine/hooks'
import { lazy, Suspense, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { part } from '~/lib/part'
import { onPalette } from './palette'

const CommandPalette = lazy(() => part(() => import('./CommandPalette')))

/** Listens for ⌘K and Ctrl+K, also while a field is being typed in. */
export function PaletteHost() {
  const [open, setOpen] = useState(false)
  useHotkeys([['mod+K', () => setOpen((was) => !was)]], [])
  useEffect(() => onPalette(() => setOpen(true)), [])
  return open && <Palette onClose={() => setOpen(false)} />
}

/** The palette, with what is typed before it has come up: fast fingers do not wait for it. */
function Palette({ onClose }: { onClose: () => void }) {
  const [search, setSearch] = useState('')
  const [entered, setEntered] = useState(false)
  const ready = useRef(false)
  useLayoutEffect(() => {
    const collect = (event: KeyboardEvent) => {
      if (ready.current || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === 'Enter') setEntered(true)
      else if (event.key.length === 1) setSearch((was) => was + event.key)
      else return
      event.preventDefault()
      event.stopPropagation()
    }
    addEventListener('keydown', collect, true)
    return () => removeEventListener('keydown', collect, true)
  }, [])
  const onReady = useCallback(() => {
    ready.current = true
  }, [])
  return (
    <Suspense>
      <CommandPalette search={search} onSearch={setSearch} entered={entered} onReady={onReady} onClose={onClose} />
    </Suspense>
  )
}
