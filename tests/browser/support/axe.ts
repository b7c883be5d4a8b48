// What axe-core finds on a page, with none of its rules switched off.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from '@playwright/test'

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
