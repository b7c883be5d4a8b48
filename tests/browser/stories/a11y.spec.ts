// Each page, panel, dialog and menu, read as axe reads it: no rule is switched off, and nothing may be found.

import type { Page } from '@playwright/test'
import { violations } from '../support/axe.ts'
import { expect, test } from '../support/stories.ts'

const LOOKS = [
  { look: 'light', colorScheme: 'light', width: 1280, height: 800 },
  { look: 'dark', colorScheme: 'dark', width: 1280, height: 800 },
  { look: 'phone', colorScheme: 'light', width: 390, height: 844 },
] as const

/** Looks at the page in light, in dark and on a phone. */
async function readable(page: Page, what: string): Promise<void> {
  for (const { look, colorScheme, width, height } of LOOKS) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.setViewportSize({ width, height })
    expect.soft(await violations(page), `${what}, ${look}`).toEqual([])
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

/** Errors that the browser notes from now on. */
function complaintsOf(page: Page): string[] {
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${message.text()} ${message.location().url}`)
  })
  return complaints
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
})

test('what is not there is said in words, and nobody is left without a way on', async ({ person: { page } }) => {
  for (const [path, says, leads] of [
    ['/sessions/no-such-session', 'This session no longer exists', 'Go to the home page'],
    ['/templates/no-such-template', 'There is no such template', 'See all templates'],
    ['/no/such/page', 'There is nothing at this address', 'Go to the home page'],
  ] as const) {
    await page.goto(new URL(path, page.url()).href)
    await expect(page.getByRole('heading', { name: says })).toBeVisible()
    await readable(page, path)
    await page.getByRole('link', { name: leads }).click()
    await expect(page.getByRole('heading', { level: 1, name: /Home|Templates/ })).toBeVisible()
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

test.describe('an administrator’s pages', () => {
  test.use({ roles: ['admin'] })

  test('pages whose database is away say so, and heal by themselves', async ({ person, server }) => {
    const { page } = person
    const entries = page.getByRole('navigation', { name: 'Main' })
    await page.evaluate(() => Object.assign(window, { neverReloaded: true }))
    await server.loseDatabase()
    for (const name of ['People', 'Audit log']) {
      await entries.getByRole('link', { name }).click()
      await expect(page.getByRole('alert').filter({ hasText: 'The database is away' })).toBeVisible()
      await readable(page, `${name}, in trouble`)
    }
    const late = await person.window()
    await expect(late.getByRole('alert')).toContainText('The database is away')
    await readable(late, 'a page that is opened meanwhile')
    await server.regainDatabase()
    await expect(late.getByRole('heading', { name: 'Home', exact: true })).toBeVisible()
    await page.bringToFront()
    await expect(page.getByRole('alert')).toHaveCount(0)
    await expect(page.getByRole('table')).toBeVisible()
    expect(await page.evaluate(() => 'neverReloaded' in window)).toBe(true)
  })

  test('pages with something on them', async ({ person: { page, api } }) => {
    const complaints = complaintsOf(page)
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
      ['/admin/groups', 'Groups'],
      ['/admin/sso', 'Single sign-on'],
      ['/admin/catalog', 'Catalog'],
      ['/admin/catalog?search=zzzz', 'Catalog'],
      ['/admin/catalog/repositories', 'Catalog'],
      ['/admin/catalog/grants', 'Catalog'],
      ['/admin/jobs', 'Jobs'],
      ['/admin/audit', 'Audit log'],
      ['/admin/settings', 'Settings'],
    ] as const
    for (const [path, heading] of pages) {
      await goTo(page, path, heading)
      await expect(page.getByRole('main').getByText(/./).first()).toBeVisible()
      await readable(page, path)
    }
    expect(complaints).toEqual([])
  })

  test('dialogs and menus', async ({ person: { page, api } }) => {
    await api.running('terminal', { displayName: 'My shell', persistentHome: false })
    await goTo(page, '/', 'Home')

    await page.keyboard.press('ControlOrMeta+k')
    await expect(page.getByRole('option').first()).toBeVisible()
    await readable(page, 'palette')
    await page.keyboard.press('Escape')

    await page.getByRole('button', { name: 'Actions for My shell' }).click()
    await expect(page.getByRole('menu')).toBeVisible()
    await readable(page, 'menu of a session')
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
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Limits for everybody' }).click()
    await expect(page.getByLabel('Sessions')).toBeVisible()
    await readable(page, 'limits')
  })
})
