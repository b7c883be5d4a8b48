// Groups, projects and programs, what people may use, and accounts that people make themselves: set by an administrator,
// seen by those whom it binds.

import { type Page } from '@playwright/test'
import { violations } from '../support/axe.ts'
import { expect, signIn, stranger, test } from '../support/stories.ts'

test.use({ roles: ['admin'], serverOptions: { settings: { REGISTRATION: 'true' } } })

const PASSWORD = 'correct horse battery staple'

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

test('a manager says who belongs to a project, and its members see how much is left of it', async ({
  person: { page },
  admin,
  browser,
}) => {
  const [hers, his] = await Promise.all([stranger(browser), stranger(browser)])
  await signIn(hers, await admin.invite('margaret'))
  await signIn(his, await admin.invite('edsger'))
  await open(page, 'Projects')
  await page.getByRole('button', { name: 'Add a project' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('apollo')
  await dialog.getByLabel('Title').fill('Apollo')
  await dialog.getByLabel('First manager').fill('nobody')
  await dialog.getByRole('button', { name: 'Add' }).click()
  await expect(dialog.getByText('nobody').first(), 'what is wrong stands at its field').toBeVisible()
  await dialog.getByLabel('First manager').fill('margaret')
  await dialog.getByRole('button', { name: 'Add' }).click()
  await expect(page.getByRole('region', { name: 'Apollo' })).toContainText(/margaret\s*manager/)
  await page.getByRole('button', { name: 'Actions for Apollo' }).click()
  await page.getByRole('menuitem', { name: 'Limits' }).click()
  await dialog.getByLabel('Sessions').fill('4')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await expect(dialog).toHaveCount(0)
  await readable(page, 'projects')

  await open(his, 'Projects')
  await expect(his.getByText('No projects yet'), 'who does not belong to it knows nothing of it').toBeVisible()
  await open(hers, 'Projects')
  const project = hers.getByRole('region', { name: 'Apollo' })
  await project.getByLabel('Add somebody').fill('edsger')
  await project.getByRole('button', { name: 'Add' }).click()
  await expect(project.getByRole('listitem').filter({ hasText: 'edsger' })).toContainText('member')

  await his.reload()
  const seen = his.getByRole('region', { name: 'Apollo' })
  await expect(seen.getByRole('meter', { name: 'Sessions' })).toHaveAttribute('aria-valuetext', '0 of 4')
  await expect(seen.getByLabel('Add somebody'), 'a member manages nothing').toHaveCount(0)
  await readable(his, 'a project as its member sees it')
  await seen.getByRole('button', { name: 'Remove edsger' }).click()
  await expect(his.getByText('No projects yet'), 'who left knows nothing of it any more').toBeVisible()
  await Promise.all([hers.context().close(), his.context().close()])
})

test('a program gets an account and a token, which is shown once and lets it in until it is revoked', async ({
  person: { page },
  server,
}) => {
  await open(page, 'People')
  await page.getByRole('button', { name: 'Add a program' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('User name').fill('nightly')
  await dialog.getByRole('button', { name: 'Add' }).click()
  await expect(dialog.getByText('The program has no tokens.')).toBeVisible()
  await dialog.getByLabel('What it is for').fill('reports')
  await expect(dialog.getByRole('button', { name: 'Create token' }), 'it needs a scope').toBeDisabled()
  await dialog.getByRole('combobox', { name: 'Scopes' }).fill('sessions:read')
  await page.getByRole('option', { name: 'sessions:read', exact: true }).click()
  await page.keyboard.press('Escape')
  await dialog.getByRole('button', { name: 'Create token' }).click()
  const token = await dialog.getByRole('status').getByText(/^eyJ/).innerText()
  await readable(page, 'tokens of a program')
  const asks = async (path: string) =>
    (await fetch(`${server.origin}${path}`, { headers: { authorization: `Bearer ${token}` } })).status
  expect([await asks('/api/v1/sessions'), await asks('/api/v1/templates')]).toEqual([200, 403])
  await dialog.getByRole('button', { name: 'Revoke reports' }).click()
  await expect(dialog.getByText('The program has no tokens.')).toBeVisible()
  expect(await asks('/api/v1/sessions')).toBe(401)
})

test('somebody makes an account where that is allowed, with a password that is hard to guess', async ({ browser, server }) => {
  const theirs = await stranger(browser)
  await theirs.goto(server.origin)
  await theirs.getByRole('button', { name: 'Create an account' }).click()
  await theirs.getByLabel('User name').fill('newcomer')
  await theirs.getByLabel('New password').fill('newcomer1')
  await theirs.getByRole('button', { name: 'Create the account' }).click()
  await expect(theirs.getByLabel('New password'), 'what is wrong stands at its field').toHaveAttribute('aria-invalid', 'true')
  await readable(theirs, 'a password that is refused')
  await theirs.getByLabel('New password').fill(PASSWORD)
  await theirs.getByRole('button', { name: 'Create the account' }).click()
  await expect(theirs.getByRole('heading', { name: 'Home', exact: true })).toBeVisible()
  await theirs.context().close()
})
