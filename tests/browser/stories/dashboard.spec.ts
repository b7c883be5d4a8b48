// What holds for the page as a whole: where its requests go, what it may run, and how it copes with much.

import { type Page } from '@playwright/test'
import { screenOf } from '../support/screen.ts'
import { expect, test } from '../support/stories.ts'
import { Terminal } from '../support/terminal.ts'

const TEMPLATES = 1_000
/** From a key to what it finds, on a busy machine; the page itself waits 120 ms for the next key. */
const FOUND_WITHIN_MS = 1_000

async function goTo(page: Page, path: string): Promise<void> {
  await page.goto(new URL(path, page.url()).href)
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
}

test('no request leaves the origin but to the sessions’ own, and nothing runs that is not a file of the page', async ({
  person,
  admin,
  server,
}) => {
  const { page, api } = person
  await admin.patch(`/api/v1/users/${person.name}`, { roles: ['admin'] })
  const { port } = new URL(server.origin)
  const elsewhere: string[] = []
  const refused: string[] = []
  page.on('request', (request) => {
    const url = new URL(request.url())
    const ours = url.origin === server.origin || url.host.endsWith(`.localhost:${port}`)
    if (!ours && !['blob:', 'data:'].includes(url.protocol)) elsewhere.push(url.href)
  })
  page.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) refused.push(message.text())
  })

  const answer = await page.goto(server.origin)
  const policy = answer?.headers()['content-security-policy'] ?? ''
  const scripts = policy.split(';').find((part) => part.trim().startsWith('script-src'))
  expect(scripts?.trim()).toBe("script-src 'self'")
  expect(policy).toContain("connect-src 'self'")

  const desktop = await api.running('desktop')
  const terminal = await api.running('terminal')
  // A picture that a template names elsewhere is not fetched.
  const tracking = { name: 'tracking', displayName: 'Tracking', baseImage: 'x:1', webapp: { port: 8080 } }
  await admin.post('/api/v1/templates', { ...tracking, icon: 'https://elsewhere.test/pixel.png' })
  for (const path of ['/', '/templates', '/templates/tracking', '/sessions', '/profile', '/admin/people', '/admin/audit']) {
    await goTo(page, path)
    await page.waitForLoadState('networkidle')
  }
  await goTo(page, `/sessions/${desktop.metadata.name}?panel=usage`)
  await expect(screenOf(page)).toBeVisible()
  await goTo(page, `/sessions/${terminal.metadata.name}?panel=logs`)
  await Terminal.in(page)
  expect(elsewhere).toEqual([])
  expect(refused).toEqual([])
})

test('a thousand templates are searched as one types, and narrowed by facets that say what they leave', async ({
  person: { page },
  admin,
}) => {
  const words = ['Red', 'Green', 'Blue', 'Amber']
  const all = Array.from({ length: TEMPLATES }, (_, number) => number)
  const make = (number: number) =>
    admin.post('/api/v1/templates', {
      name: `many-${number}`,
      displayName: `${words[number % words.length]} workbench ${number}`,
      description: `Tools of kind ${number % 7}, ready to use.`,
      category: `Kind ${number % 7}`,
      tags: ['many', words[number % words.length]?.toLowerCase() ?? ''],
      baseImage: 'x:1',
      webapp: { port: 8080 },
    })
  while (all.length > 0) await Promise.all(all.splice(0, 20).map(make))
  await goTo(page, '/templates')
  const found = page.getByRole('main').getByRole('status')
  await expect(found).toHaveText(/^1,0\d\d templates$/)
  expect(await page.getByRole('article').count(), 'only what is near the window exists').toBeLessThan(60)

  await test.step('search', async () => {
    await page.getByRole('searchbox', { name: 'Search templates' }).focus()
    await page.evaluate(() => {
      const status = document.querySelector('main [role=status]')
      addEventListener('keydown', () => Object.assign(window, { pressed: performance.now() }), true)
      new MutationObserver(() => Object.assign(window, { shown: performance.now() })).observe(status ?? document.body, { childList: true, characterData: true, subtree: true })
    })
    await page.keyboard.type('amber workbench 99')
    await expect(found).toHaveText('12 templates')
    const took = await page.evaluate(() => {
      const { pressed, shown } = window as unknown as { pressed: number; shown: number }
      return shown - pressed
    })
    expect(took).toBeLessThan(FOUND_WITHIN_MS)
    await expect(page).toHaveURL(/search=amber/)
    await expect(page.getByRole('article')).toHaveCount(12)
  })

  await test.step('facets', async () => {
    await goTo(page, '/templates?search=workbench')
    const kind = page.getByRole('group', { name: 'Category' }).getByText(/^Kind 3 /)
    const number = Number(/\d+$/.exec((await kind.textContent()) ?? '')?.[0])
    await kind.click()
    await expect(found).toHaveText(`${number} templates`)
    await page.getByRole('group', { name: 'Tags' }).getByText(/^red /).click()
    await expect(page).toHaveURL(/category=.*tags=|tags=.*category=/)
    await page.goBack()
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
  })

  await test.step('to the last of them by scrolling', async () => {
    await goTo(page, '/templates?search=workbench')
    await expect(found).toHaveText('1,000 templates')
    // Rows are measured as they come up, so the end is only known there.
    await expect(async () => {
      await page.keyboard.press('End')
      const last = page.getByRole('listitem').last()
      await expect(last).toHaveAttribute('aria-posinset', String(TEMPLATES), { timeout: 500 })
    }).toPass()
  })
})
