// Each page, panel, dialog and menu, read as axe reads it: no rule is switched off, and nothing may be found.

import type { Page } from '@playwright/test'
import { violations } from '../support/axe.ts'
import { expect, type Person, test } from '../support/stories.ts'

const LOOKS = [
  { look: 'light', colorScheme: 'light', width: 1280, height: 800 },
  { look: 'dark', colorScheme: 'dark', width: 1280, height: 800 },
  { look: 'phone', colorScheme: 'light', width: 390, height: 844 },
] as const

/** Looks at the page in light, in dark and on a phone; `but` begins what may be found all the same. */
async function readable(page: Page, what: string, but = '\0'): Promise<void> {
  for (const { look, colorScheme, width, height } of LOOKS) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.setViewportSize({ width, height })
    const found = (await violations(page)).filter((violation) => !violation.startsWith(but))
    expect.soft(found, `${what}, ${look}`).toEqual([])
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    expect.soft(wide, `${what}, ${look}: nothing is wider than the screen`).toBeLessThanOrEqual(0)
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1280, height: 800 })
}

async function goTo(page: Page, path: string, heading: string | RegExp): Promise<void> {
  await page.goto(new URL(path, page.url()).href)
  await expect(page.getByRole('heading', { name: heading, level: 1 })).toBeVisible()
}

/** A person who may see the administrators' pages too. */
async function administrator(person: Person, admin: { patch(path: string, body: object): Promise<unknown> }) {
  await admin.patch(`/api/v1/users/${person.name}`, { roles: ['admin'] })
  await person.page.reload()
}

test('pages before the sign-in', async ({ browser, server }) => {
  const page = await (await browser.newContext()).newPage()
  await page.goto(server.origin)
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible()
  await readable(page, 'sign-in')
  await page.getByLabel('User name').fill('nobody')
  await page.getByLabel('Password', { exact: true }).fill('wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('alert')).toBeVisible()
  await readable(page, 'sign-in refused')
  await page.goto(`${server.origin}/sign-in#link=used-up`)
  await expect(page.getByText('does not work any more')).toBeVisible()
  await readable(page, 'used-up link')
  await page.context().close()
})

test('pages with nothing on them', async ({ person: { page } }) => {
  await readable(page, 'home, empty')
  await goTo(page, '/sessions', 'Sessions')
  await expect(page.getByText('No sessions yet')).toBeVisible()
  await readable(page, 'sessions, empty')
  await goTo(page, '/templates?search=zzzz', 'Templates')
  await expect(page.getByText('No template matches')).toBeVisible()
  await readable(page, 'templates, nothing found')
  await page.goto(new URL('/nowhere', page.url()).href)
  await readable(page, 'no such page')
  await page.goto(new URL('/sessions/gone', page.url()).href)
  await expect(page.getByText('no longer exists')).toBeVisible()
  await readable(page, 'no such session')
})

test('pages with something on them', async ({ person, admin }) => {
  const { page, api } = person
  await administrator(person, admin)
  await api.running('terminal', { displayName: 'My shell' })
  await api.launch('desktop')
  const pages = [
    ['/', 'Home'],
    ['/templates', 'Templates'],
    ['/templates/terminal', 'Terminal'],
    ['/templates/browser', 'Chromium'],
    ['/sessions', 'Sessions'],
    ['/profile', 'Profile'],
    ['/admin/people', 'People'],
    ['/admin/audit', 'Audit log'],
  ] as const
  for (const [path, heading] of pages) {
    await goTo(page, path, heading)
    await expect(page.getByRole('main').getByText(/./).first()).toBeVisible()
    await readable(page, path)
  }
})

test('a session’s page and each panel of its drawer', async ({ person: { page, api } }) => {
  const desktop = await api.running('desktop')
  const terminal = await api.running('terminal', { displayName: 'My shell' })
  for (const panel of ['health', 'timeline', 'logs', 'usage', 'people']) {
    await goTo(page, `/sessions/${desktop.metadata.name}?panel=${panel}`, 'Linux desktop')
    await expect(page.getByRole('tabpanel')).toBeVisible()
    await readable(page, `desktop, ${panel}`)
  }
  await goTo(page, `/sessions/${terminal.metadata.name}`, 'My shell')
  await expect(page.locator('iframe')).toBeVisible()
  await readable(page, 'terminal')
  const frame = page.frames().find((inner) => inner !== page.mainFrame())
  expect(frame).toBeDefined()
  await api.patch(`/api/v1/sessions/${terminal.metadata.name}`, { state: 'hibernated' })
  await expect(page.getByText('Asleep').first()).toBeVisible()
  await readable(page, 'asleep')
})

test('dialogs and menus', async ({ person, admin }) => {
  const { page, api } = person
  await administrator(person, admin)
  await api.running('terminal', { displayName: 'My shell', persistentHome: false })
  await goTo(page, '/', 'Home')

  await page.keyboard.press('ControlOrMeta+k')
  await expect(page.getByRole('option').first()).toBeVisible()
  await readable(page, 'palette')
  await page.keyboard.press('Escape')

  await page.getByRole('button', { name: 'Actions for My shell' }).click()
  await expect(page.getByRole('menu')).toBeVisible()
  // While it is open a menu hangs beside the landmarks, not in one.
  await readable(page, 'menu of a session', 'moderate region')
  await page.getByRole('menuitem', { name: 'Rename' }).click()
  await readable(page, 'rename')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Actions for My shell' }).click()
  await page.getByRole('menuitem', { name: 'Delete…' }).click()
  await readable(page, 'delete')
  await page.keyboard.press('Escape')

  await page.getByRole('button', { name: 'Notifications' }).first().click()
  await readable(page, 'notifications')
  await page.keyboard.press('Escape')

  await goTo(page, '/admin/people', 'People')
  await page.getByRole('button', { name: 'Add a person' }).click()
  await readable(page, 'add a person')
})
