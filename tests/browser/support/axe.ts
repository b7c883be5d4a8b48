// What axe-core finds on a page, with none of its rules switched off.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect, type Page } from '@playwright/test'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Result {
  violations: { id: string; impact: string | null; help: string; nodes: { html: string; failureSummary?: string }[] }[]
}

/** Every violation, of any weight, one text a rule. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(source)
  return page.evaluate(async () => {
    // A colour on its way to another one is nobody's to judge.
    const turning = () => document.getAnimations().filter((animation) => animation instanceof CSSTransition)
    await Promise.allSettled(turning().map((animation) => animation.finished))
    const { axe } = window as unknown as { axe: { run(options: object): Promise<Result> } }
    // Frames hold apps of other origins, which are looked at where they are ours.
    const { violations } = await axe.run({ iframes: false })
    return violations.map(
      ({ id, impact, help, nodes }) => `${impact} ${id}: ${help}\n${nodes.map(({ html, failureSummary }) => `  ${html}\n  ${failureSummary}`).join('\n')}`,
    )
  })
}

const LOOKS = [
  { colorScheme: 'light', width: 1280, height: 800 },
  { colorScheme: 'dark', width: 1280, height: 800 },
  { colorScheme: 'light', width: 390, height: 844 },
] as const

/** What axe finds in light, in dark and on a phone, where nothing may be wider than the screen. */
export async function readable(page: Page): Promise<void> {
  for (const { colorScheme, width, height } of LOOKS) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.setViewportSize({ width, height })
    expect.soft(await violations(page), `${colorScheme}, ${width}`).toEqual([])
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    expect.soft(wide, `${width}: nothing is wider than the screen`).toBeLessThanOrEqual(0)
  }
  await page.setViewportSize({ width: 1280, height: 800 })
}
