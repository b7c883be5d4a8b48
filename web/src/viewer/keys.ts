/** A key as RFB (its X11 keysym) and as the browser (its `code`) name it. */
export interface Key {
  keysym: number
  code: string | null
  label: string
}

const key = (label: string, keysym: number, code: string): Key => ({ label, keysym, code })

export const CTRL = key('Ctrl', 0xffe3, 'ControlLeft')
export const ALT = key('Alt', 0xffe9, 'AltLeft')
export const SUPER = key('Super', 0xffeb, 'MetaLeft')
export const SHIFT = key('Shift', 0xffe1, 'ShiftLeft')
const DELETE = key('Del', 0xffff, 'Delete')
const TAB = key('Tab', 0xff09, 'Tab')
const ESCAPE = key('Esc', 0xff1b, 'Escape')
const F4 = key('F4', 0xffc1, 'F4')
const F11 = key('F11', 0xffc8, 'F11')
const PRINT = key('Print', 0xff61, 'PrintScreen')
const T = key('T', 0x74, 'KeyT')
const W = key('W', 0x77, 'KeyW')
const RETURN = 0xff0d
const BACKSPACE = 0xff08

/** Held down one after the other by a switch in the menu. */
export const MODIFIERS = [CTRL, ALT, SUPER] as const

/** What browsers and systems keep for themselves, so that it must be sent from a menu. */
export const COMBINATIONS: readonly (readonly Key[])[] = [
  [CTRL, ALT, DELETE],
  [ALT, TAB],
  [ALT, F4],
  [CTRL, W],
  [CTRL, SHIFT, T],
  [ESCAPE],
  [TAB],
  [F11],
  [PRINT],
]

export function labelOf(combination: readonly Key[]): string {
  return combination.map(({ label }) => label).join(' + ')
}

/** The keysym of a character: Latin 1 stands for itself, the rest of Unicode behind 0x01000000 (X11's rule). */
export function keysymOf(character: string): number {
  if (character === '\n') return RETURN
  const point = character.codePointAt(0) ?? 0
  return (point >= 0x20 && point <= 0x7e) || (point >= 0xa0 && point <= 0xff) ? point : 0x0100_0000 | point
}

/** The key presses that turn what a screen keyboard had written into what it has now. */
export function typed(before: string, after: string): number[] {
  const [old, next] = [Array.from(before), Array.from(after)]
  let same = 0
  while (same < old.length && same < next.length && old[same] === next[same]) same += 1
  return [...Array<number>(old.length - same).fill(BACKSPACE), ...next.slice(same).map(keysymOf)]
}
