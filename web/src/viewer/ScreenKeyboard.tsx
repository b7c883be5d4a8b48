import { useEffect, useRef } from 'react'
import { strings } from '~/strings'
import type { DesktopLink } from './desktopLink'
import { typed } from './keys'

interface Props {
  link: DesktopLink
  onClose: () => void
}

/** There is always something before the cursor, so that a screen keyboard's backspace is heard. */
const CUSHION = ' '.repeat(20)
const LONGEST = 500

/**
 * An unseen field that brings up the keyboard of a phone or tablet. Such keyboards send texts, not keys: what changed
 * in the field is typed in the session.
 */
export function ScreenKeyboard({ link, onClose }: Props) {
  const field = useRef<HTMLTextAreaElement>(null)
  const before = useRef(CUSHION)
  useEffect(() => {
    const timer = setTimeout(() => field.current?.focus())
    return () => clearTimeout(timer)
  }, [])
  const type = (now: string) => {
    link.type(typed(before.current, now))
    before.current = now
    if (!field.current || (now.length > CUSHION.length / 2 && now.length < LONGEST)) return
    field.current.value = CUSHION
    before.current = CUSHION
  }
  return (
    <textarea
      ref={field}
      className="visually-hidden"
      aria-label={strings.viewer.keyboard}
      autoCapitalize="off"
      autoComplete="off"
      autoCorrect="off"
      spellCheck={false}
      defaultValue={CUSHION}
      onInput={(event) => type(event.currentTarget.value)}
      onBlur={onClose}
    />
  )
}
