// A person without a mouse. Any use of one fails the story: Playwright's own, and whatever the page is told of one.

import type { Locator, Page } from '@playwright/test'
import { expect } from './stories.ts'

/** More stops than any page has between two places. */
const MOST_STOPS = 120
const POINTING = ['click', 'dblclick', 'hover', 'tap', 'dragTo', 'check', 'uncheck', 'setChecked', 'selectOption'] as const

/** Takes the mouse away from `page`; the result gives locators of other pages theirs back. */
export async function withoutMouse(page: Page): Promise<() => void> {
  const refuse = (what: string) => () => {
    throw new Error(`${what}: there is no mouse in this story`)
  }
  const locators = Object.getPrototypeOf(page.locator('body')) as Record<string, unknown>
  const before = POINTING.map((method) => [method, locators[method]] as const)
  for (const method of POINTING) locators[method] = refuse(method)
  for (const method of ['move', 'click', 'dblclick', 'down', 'up', 'wheel'] as const) page.mouse[method] = refuse(method)
  page.on('console', (message) => {
    if (message.text().startsWith('POINTER')) throw new Error(message.text())
  })
  const watch = () => {
    for (const type of ['pointerdown', 'mousedown', 'touchstart']) {
      addEventListener(type, (event) => event.isTrusted && console.error(`POINTER ${type}`), true)
    }
  }
  await page.addInitScript(watch)
  await page.evaluate(watch)
  return () => {
    for (const [method, original] of before) locators[method] = original
  }
}

/** Walks with Tab until `target` has the focus, and fails where it is never reached. */
export async function reach(page: Page, target: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  await expect(target).toBeVisible()
  for (let stop = 0; stop < MOST_STOPS; stop += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press(key)
  }
  throw new Error(`${key} never reaches ${target}`)
}

/** Walks to `target` and presses it. */
export async function press(page: Page, target: Locator, key: 'Enter' | 'Space' = 'Enter'): Promise<void> {
  await reach(page, target)
  await page.keyboard.press(key)
}

/** Takes an entry of the menu that is open, by the arrow keys. */
export async function choose(page: Page, name: string | RegExp): Promise<void> {
  const item = page.getByRole('menuitem', { name })
  await expect(item).toBeVisible()
  await expect(async () => {
    await page.keyboard.press('ArrowDown')
    await expect(item).toBeFocused({ timeout: 50 })
  }).toPass({ timeout: 5_000, intervals: [20] })
  await page.keyboard.press('Enter')
}

/** Whether what has the focus can be seen to have it: an outline, or a border or shadow that others do not have. */
export async function focusIsSeen(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const element = document.activeElement
    if (!element || element === document.body) return false
    const look = () => {
      const { outlineStyle, outlineWidth, boxShadow, borderColor, backgroundColor } = getComputedStyle(element)
      return { outlined: outlineStyle !== 'none' && outlineWidth !== '0px', rest: `${boxShadow} ${borderColor} ${backgroundColor}` }
    }
    const seen = look()
    if (seen.outlined) return true
    ;(element as HTMLElement).blur()
    const unseen = look()
    ;(element as HTMLElement).focus()
    return seen.rest !== unseen.rest
  })
}
