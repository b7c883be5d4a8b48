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

interface Shown {
  name: string
  path: string
  heading: string
  /** What it shows comes from there. */
  source: string
  /** What it says where there is nothing, and how to come there. */
  empty?: { path: string; says: string }
}

const PAGES: Shown[] = [
  { name: 'home', path: '/', heading: 'Home', source: '**/api/v1/sessions*', empty: { path: '/', says: 'Welcome to StreamSpace' } },
  {
    name: 'templates',
    path: '/templates',
    heading: 'Templates',
    source: '**/api/v1/templates*',
    empty: { path: '/templates?search=nothing-like-it', says: 'No template matches' },
  },
  { name: 'launch-form', path: '/templates/terminal', heading: 'Terminal', source: '**/api/v1/templates/terminal' },
  {
    name: 'session-list',
    path: '/sessions',
    heading: 'Sessions',
    source: '**/api/v1/sessions*',
    empty: { path: '/sessions', says: 'No sessions yet' },
  },
  { name: 'profile', path: '/profile', heading: 'Profile', source: '**/api/v1/tokens*' },
]

const ADMIN_PAGES: Shown[] = [
  { name: 'people', path: '/admin/people', heading: 'People', source: '**/api/v1/users?*' },
  { name: 'audit', path: '/admin/audit', heading: 'Audit log', source: '**/api/v1/audit*' },
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
  await expect(person.page.getByText('Loading…')).toHaveCount(0)
  return person.page
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

async function fits(page: Page, what: string): Promise<void> {
  expect(await findings(page), what).toEqual([])
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
  expect(wide, `${what}: nothing is wider than the screen`).toBeLessThanOrEqual(0)
}

async function inEveryLook(person: Person, { name, path, heading }: Shown): Promise<void> {
  for (const { look, colorScheme, width, height } of LOOKS) {
    await person.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await person.page.setViewportSize({ width, height })
    const page = await show(person, path, heading)
    await fits(page, `${name}, ${look}`)
    await picture(page, `${name}-${look}`)
  }
}

/** The page while what it shows cannot be had, and when it can be had again. */
async function inTrouble(person: Person, { name, path, source, heading }: Shown): Promise<void> {
  const page = await person.window()
  const problem = { type: '/problems/internal', title: 'It broke', status: 500, detail: 'Made by a test.', code: 'internal' }
  await page.route(source, (route) =>
    route.fulfill({ status: 500, contentType: 'application/problem+json', body: JSON.stringify(problem) }),
  )
  // The feed would bring it all the same.
  await page.routeWebSocket(/\/api\/v1\/ws\//, (socket) => socket.close())
  await page.goto(new URL(path, page.url()).href)
  const alert = page.getByRole('alert').filter({ hasText: 'It broke' }).first()
  await expect(alert).toContainText('Made by a test.')
  await fits(page, `${name}, in trouble`)
  await page.unroute(source)
  await alert.getByRole('button', { name: 'Try again' }).click()
  await expect(alert).toHaveCount(0)
  await expect(page.getByRole('heading', { name: heading, level: 1 })).toBeVisible()
  await page.close()
}

function canBeReadByEverybody(shown: Shown) {
  const { name, empty } = shown
  test(`${name} can be read by everybody: in light, in dark, on a phone, empty and in trouble`, async ({ person }) => {
    const complaints = complaintsOf(person.page)
    if (empty) {
      await person.page.goto(new URL(empty.path, person.page.url()).href)
      await expect(person.page.getByText(empty.says)).toBeVisible()
      await fits(person.page, `${name}, empty`)
    }
    await person.api.running('terminal', { displayName: 'My shell' })
    await inEveryLook(person, shown)
    expect(complaints).toEqual([])
    await inTrouble(person, shown)
  })
}

PAGES.forEach(canBeReadByEverybody)

test.describe('an administrator’s page', () => {
  test.use({ roles: ['admin'] })
  ADMIN_PAGES.forEach(canBeReadByEverybody)
})

test('what is not there is said in words, and nobody is left without a way on', async ({ person }) => {
  const { page } = person
  for (const [path, says, leads] of [
    ['/sessions/no-such-session', 'This session no longer exists', 'Go to the home page'],
    ['/templates/no-such-template', 'There is no such template', 'See all templates'],
    ['/no/such/page', 'There is nothing at this address', 'Go to the home page'],
  ] as const) {
    await page.goto(new URL(path, page.url()).href)
    await expect(page.getByRole('heading', { name: says })).toBeVisible()
    await fits(page, path)
    await page.getByRole('link', { name: leads }).click()
    await expect(page.getByRole('heading', { level: 1, name: /Home|Templates/ })).toBeVisible()
  }
})

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
