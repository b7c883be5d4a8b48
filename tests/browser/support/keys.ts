// Keys as a person presses them on a German keyboard. Playwright's own `type` inserts what is not on a US keyboard as
// text, without a key; what listens to keys, as a desktop does, never sees it.

import type { Page } from '@playwright/test'

interface Key {
  code: string
  keyCode: number
  shift?: boolean
  altGr?: boolean
}

/** Where these characters are on a German keyboard. */
const GERMAN: Record<string, Key> = {
  ä: { code: 'Quote', keyCode: 222 },
  ö: { code: 'Semicolon', keyCode: 186 },
  ü: { code: 'BracketLeft', keyCode: 219 },
  Ä: { code: 'Quote', keyCode: 222, shift: true },
  ß: { code: 'Minus', keyCode: 189 },
  '€': { code: 'KeyE', keyCode: 69, altGr: true },
  '@': { code: 'KeyQ', keyCode: 81, altGr: true },
  '~': { code: 'BracketRight', keyCode: 221, altGr: true },
  '|': { code: 'IntlBackslash', keyCode: 226, altGr: true },
  '/': { code: 'Digit7', keyCode: 55, shift: true },
  '>': { code: 'IntlBackslash', keyCode: 226, shift: true },
  '-': { code: 'Slash', keyCode: 189 },
  '.': { code: 'Period', keyCode: 190 },
  ' ': { code: 'Space', keyCode: 32 },
}

function keyOf(character: string): Key {
  const found = GERMAN[character]
  if (found) return found
  if (/^[a-z]$/.test(character)) {
    const upper = character.toUpperCase()
    return { code: `Key${upper}`, keyCode: upper.charCodeAt(0) }
  }
  if (/^[0-9]$/.test(character)) return { code: `Digit${character}`, keyCode: character.charCodeAt(0) }
  throw new Error(`where is ${character} on the keyboard?`)
}

/** Presses the key of each character of `text`, with Shift or AltGr held where it takes them. */
export async function pressKeys(page: Page, text: string): Promise<void> {
  const devtools = await page.context().newCDPSession(page)
  for (const character of text) {
    const { code, keyCode, shift = false, altGr = false } = keyOf(character)
    const holding = shift ? 'Shift' : altGr ? 'AltGraph' : undefined
    if (holding) await page.keyboard.down(holding)
    const key = { key: character, code, windowsVirtualKeyCode: keyCode, modifiers: shift ? 8 : 0 }
    await devtools.send('Input.dispatchKeyEvent', { type: 'keyDown', text: character, ...key })
    await devtools.send('Input.dispatchKeyEvent', { type: 'keyUp', ...key })
    if (holding) await page.keyboard.up(holding)
  }
  await devtools.detach()
}
