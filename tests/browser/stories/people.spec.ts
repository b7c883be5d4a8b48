// Groups, and what people and groups may use: set by an administrator, seen by those whom it binds.

import { type Page } from '@playwright/test'
import { violations } from '../support/axe.ts'
import { expect, signIn, stranger, test } from '../support/stories.ts'

test.use({ roles: ['admin'] })

async function open(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }).click()
  await expect(page.getByRole('heading', { name, level: 1 })).toBeVisible()
}

async function readable(page: Page, what: string): Promise<void> {
  expect.soft(await violations(page), what).toEqual([])
}

test('an administrator makes a group and says who belongs to it and what they may use together', async ({
  person: { page, api },
  admin,
}) => {
  await admin.invite('grace')
  await admin.invite('linus')
  await open(page, 'Groups')
  await expect(page.getByText('No groups yet')).toBeVisible()
  await readable(page, 'groups, empty')
  await page.getByRole('button', { name: 'Add a group' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('Physics')
  await dialog.getByLabel('Title').fill('Physics department')
  await dialog.getByRole('button', { name: 'Add' }).click()
  await expect(dialog.getByText('use 1 to 63 lower-case letters').first(), 'what is wrong stands at its field').toBeVisible()
  await dialog.getByLabel('Name').fill('physics')
  await dialog.getByRole('button', { name: 'Add' }).click()

  await page.getByRole('button', { name: '0 people' }).click()
  await expect(dialog.getByText('Nobody belongs to it yet.')).toBeVisible()
  for (const name of ['grace', 'linus']) {
    await dialog.getByLabel('Add somebody').fill(name)
    await page.getByRole('option', { name }).click()
    await expect(dialog.getByRole('listitem').filter({ hasText: name })).toBeVisible()
  }
  await readable(page, 'members')
  await dialog.getByRole('button', { name: 'Remove linus' }).click()
  await expect(dialog.getByRole('listitem')).toHaveCount(1)
  await dialog.getByRole('button', { name: 'Done' }).click()
  await expect(page.getByRole('button', { name: '1 person' })).toBeVisible()

  await page.getByRole('button', { name: 'Actions for Physics department' }).click()
  await page.getByRole('menuitem', { name: 'Limits' }).click()
  await dialog.getByLabel('Memory', { exact: true }).fill('much')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await expect(dialog.getByText('is no quantity').first()).toBeVisible()
  await readable(page, 'limits that are wrong')
  await dialog.getByLabel('Memory', { exact: true }).fill('8Gi')
  await dialog.getByLabel('Sessions').fill('3')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await expect(dialog).toHaveCount(0)
  const { limits } = await api.get<{ limits: object }>('/api/v1/groups/physics/quota')
  expect(limits).toEqual({ memory: '8Gi', sessions: 3 })

  await page.getByRole('button', { name: 'Actions for Physics department' }).click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await dialog.getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByText('No groups yet')).toBeVisible()
})

test('who is limited sees what is left, is told before the start, and is refused beyond it', async ({
  person: { page },
  admin,
  browser,
}) => {
  const link = await admin.invite('ada')
  await open(page, 'People')
  await page.getByRole('button', { name: 'Actions for ada' }).click()
  await page.getByRole('menuitem', { name: 'Limits' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Sessions').fill('1')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await expect(dialog).toHaveCount(0)

  const hers = await stranger(browser)
  await signIn(hers, link)
  const meter = hers.getByRole('meter', { name: 'Sessions' })
  await expect(meter).toHaveAttribute('aria-valuetext', '0 of 1')
  await readable(hers, 'what one may use')
  await hers.goto(new URL('/templates/terminal', hers.url()).href)
  await expect(hers.getByText('There is no room for this now')).toHaveCount(0)
  await hers.getByRole('button', { name: 'Start', exact: true }).click()
  await expect(hers, 'it starts').toHaveURL(/session/)
  await hers.goto(new URL('/', hers.url()).href)
  await expect(meter).toHaveAttribute('aria-valuetext', '1 of 1')
  await hers.goto(new URL('/templates/terminal', hers.url()).href)
  await expect(hers.getByText('There is no room for this now')).toBeVisible()
  await readable(hers, 'no room')
  await hers.getByRole('button', { name: 'Start', exact: true }).click()
  await expect(hers.getByRole('alert')).toContainText('The number of sessions of ada is limited to 1: 1 in use')

  // There is room as soon as the administrator makes some.
  await page.getByRole('button', { name: 'Actions for ada' }).click()
  await page.getByRole('menuitem', { name: 'Limits' }).click()
  await expect(dialog.getByRole('meter', { name: 'Sessions' })).toHaveAttribute('aria-valuetext', '1 of 1')
  await readable(page, 'limits with what is used')
  await dialog.getByRole('button', { name: 'Use those for everybody' }).click()
  await expect(dialog).toHaveCount(0)
  await hers.getByRole('button', { name: 'Start', exact: true }).click()
  await expect(hers, 'it starts').toHaveURL(/session/)
  await hers.context().close()
})
