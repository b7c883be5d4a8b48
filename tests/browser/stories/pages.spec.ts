// Each page as people with other eyes, other screens and other settings meet it.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from '@playwright/test'
import { picture } from '../support/pictures.ts'
import { expect, type Person, test } from '../support/stories.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const LOOKS = [
  { look: 'light', colorScheme: 'light', width: 1280, height: 800 },
  { look: 'dark', colorScheme: 'dark', width: 1280, height: 800 },
  { look: 'phone', colorScheme: 'light', width: 390, height: 844 },
] as const

const PAGES = [
  { name: 'home', path: '/', heading: 'Home' },
  { name: 'templates', path: '/templates', heading: 'Templates' },
  { name: 'launch-form', path: '/templates/terminal', heading: 'Terminal' },
  { name: 'session-list', path: '/sessions', heading: 'Sessions' },
  { name: 'profile', path: '/profile', heading: 'Profile' },
]

/** What axe finds against WCAG 2.1 A and AA, one line a finding. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(options: object): Promise<AxeResult> } }
    const { violations } = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] })
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`)
  })
}

interface AxeResult {
  violations: { id: string; help: string; nodes: { html: string }[] }[]
}

async function show(person: Person, path: string, heading: string): Promise<Page> {
  await person.page.goto(new URL(path, person.page.url()).href)
  await expect(person.page.getByRole('heading', { name: heading, level: 1 })).toBeVisible()
  return person.page
}

for (const { name, path, heading } of PAGES) {
  test(`${name} can be read by everybody, in light, in dark and on a phone`, async ({ person }) => {
    await person.api.running('terminal', { displayName: 'My shell' })
    for (const { look, colorScheme, width, height } of LOOKS) {
      await person.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await person.page.setViewportSize({ width, height })
      const page = await show(person, path, heading)
      expect(await findings(page), `${name}, ${look}`).toEqual([])
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      expect(wide, `${name}, ${look}: nothing is wider than the screen`).toBeLessThanOrEqual(0)
      await picture(page, `${name}-${look}`)
    }
  })
}

test('from sign-in to a running terminal with the keyboard alone', async ({ person: { page } }) => {
  await page.keyboard.press('ControlOrMeta+k')
  await page.keyboard.type('Launch Terminal')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('button', { name: 'Start' })).toBeVisible()
  await expect(async () => {
    await page.keyboard.press('Tab')
    await expect(page.getByRole('button', { name: 'Start' })).toBeFocused({ timeout: 100 })
  }).toPass()
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/sessions\/[a-z0-9-]+/)
})
