import { useHotkeys } from '@mantine/hooks'
import { lazy, Suspense, useEffect, useState } from 'react'
import { onPalette } from './palette'

const CommandPalette = lazy(() => import('./CommandPalette'))

/** Listens for ⌘K and Ctrl+K, also while a field is being typed in. */
export function PaletteHost() {
  const [open, setOpen] = useState(false)
  useHotkeys([['mod+K', () => setOpen((was) => !was)]], [])
  useEffect(() => onPalette(() => setOpen(true)), [])
  return <Suspense>{open && <CommandPalette onClose={() => setOpen(false)} />}</Suspense>
}
