// A session with two people in it, an invitation by link, and an account that is disabled while its page is open.

import type { Page } from '@playwright/test'
import { violations } from '../support/axe.ts'
import { desktopIn, IN_TERMINAL } from '../support/screen.ts'
import { expect, signIn, stranger, test } from '../support/stories.ts'
import { Terminal } from '../support/terminal.ts'

/** Within which what a share let in has to be closed. */
const CLOSED_WITHIN_MS = 5_000

async function share(page: Page, who: string, level: string): Promise<void> {
  await page.getByRole('button', { name: 'Share', exact: true }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('User or group name').fill(who)
  await dialog.getByLabel('They may').first().click()
  await page.getByRole('option', { name: level }).click()
  await dialog.getByRole('button', { name: 'Share', exact: true }).click()
  await expect(dialog.getByRole('listitem').filter({ hasText: who })).toContainText(level)
  expect.soft(await violations(page), 'the dialog').toEqual([])
  await dialog.getByRole('button', { name: 'Done' }).click()
}

test('a guest looks on, then works in the same desktop, and is out within seconds of the end', async ({
  person,
  admin,
  browser,
}) => {
  const { page, api } = person
  const { metadata } = await api.running('desktop')
  const there = new URL(`/sessions/${metadata.name}`, page.url()).href
  const his = await stranger(browser)
  await signIn(his, await admin.invite('guest1'))
  await page.goto(there)
  await desktopIn(page)
  await share(page, 'guest1', 'look on')

  await his.goto(new URL('/sessions', page.url()).href)
  await expect(his.getByText(`Shared by ${person.name}: you may look on`)).toBeVisible()
  await his.goto(there)
  const screen = await desktopIn(his)
  await expect(his.getByText('View only').first()).toBeVisible()
  await expect(his.getByRole('button', { name: 'Take part' })).toHaveCount(0)
  await screen.click({ position: IN_TERMINAL })
  await his.keyboard.type('echo no > ~/looked-on')
  await his.keyboard.press('Enter')

  await share(page, 'guest1', 'work in it')
  await his.getByRole('button', { name: 'Take part' }).click()
  await expect(his.getByRole('button', { name: 'Take part' })).toHaveCount(0)
  const shared = await desktopIn(his)
  await shared.click({ position: IN_TERMINAL })
  await his.keyboard.type('ls ~/looked-on; echo $? > ~/worked')
  await his.keyboard.press('Enter')
  const beside = await person.window()
  const terminal = await api.running('terminal')
  await beside.goto(new URL(`/sessions/${terminal.metadata.name}`, page.url()).href)
  // What the guest typed while looking on never arrived: the file is not there, which `ls` answers with 2.
  await (await Terminal.in(beside)).holds('~/worked', '2')

  await page.goto(`${there}?panel=people`)
  await expect(page.getByRole('complementary').getByText('guest1')).toBeVisible()
  await expect(page.getByRole('complementary').getByText('guest', { exact: false }).first()).toBeVisible()
  await page.getByRole('button', { name: 'Share', exact: true }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Stop sharing with guest1' }).click()
  await expect(his.getByRole('application')).toHaveCount(0, { timeout: CLOSED_WITHIN_MS })
  await his.context().close()
})

test('a link lets in who opens it, once they are signed in, and its secret leaves the address at once', async ({
  person,
  admin,
  browser,
}) => {
  const { page, api } = person
  const { metadata } = await api.running('terminal')
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  await page.getByRole('button', { name: 'Share', exact: true }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Make a link' }).click()
  const link = await dialog.getByLabel('Link', { exact: true }).inputValue()
  const way = await admin.invite('guest2')
  const his = await stranger(browser)
  const asked: string[] = []
  his.on('request', (request) => asked.push(request.url()))
  await his.goto(link)
  await expect(his, 'signing in comes first').toHaveURL(/sign-in/)
  expect(his.url()).not.toContain('invitation=')
  await signIn(his, way)
  await his.goto(new URL('/invitation', link).href)
  await expect(his.getByText(`${person.name} invites you to`)).toBeVisible()
  expect.soft(await violations(his), 'an invitation').toEqual([])
  await his.getByRole('button', { name: 'Accept and open' }).click()
  await expect(his).toHaveURL(new RegExp(`/sessions/${metadata.name}`))
  await Terminal.in(his)
  const secret = new URL(link).hash.split('=')[1] ?? 'none'
  expect(asked.filter((url) => url.includes(secret) && !url.includes('#'))).toEqual([])

  // It goes to sleep; whoever may work in it finds it at home, and wakes it.
  await api.patch(`/api/v1/sessions/${metadata.name}`, { state: 'hibernated' })
  await his.goto(new URL('/', link).href)
  const card = his.getByRole('region', { name: 'Shared with you' }).getByRole('article')
  await expect(card).toContainText(`Session of ${person.name}`)
  await card.getByRole('button', { name: /^Wake/ }).click()
  await expect(his).toHaveURL(new RegExp(`/sessions/${metadata.name}`))
  await Terminal.in(his)
  await his.context().close()
})

test('the page of somebody whose account is disabled leads to sign-in within seconds', async ({ admin, browser }) => {
  const hers = await stranger(browser)
  await signIn(hers, await admin.invite('leaver'))
  for (const path of ['/', '/sessions', '/profile']) {
    await hers.goto(new URL(path, hers.url()).href)
    await expect(hers.getByRole('heading', { level: 1 })).toBeVisible()
    await admin.patch('/api/v1/users/leaver', { disabled: true })
    await expect(hers, path).toHaveURL(/sign-in/, { timeout: CLOSED_WITHIN_MS })
    await admin.patch('/api/v1/users/leaver', { disabled: false })
    const { url } = await admin.post<{ url: string }>('/api/v1/users/leaver/sign-in-link')
    await signIn(hers, url)
  }
  await hers.context().close()
})
