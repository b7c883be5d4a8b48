// The template catalog from git: a repository is added, somebody pushes, and every page that shows it follows without a
// reload. The repository, its host and its webhooks are real.

import type { Page } from '@playwright/test'
import { readable } from '../support/axe.ts'
import { GitHost } from '../support/git.ts'
import { freePort } from '../support/server.ts'
import { expect, test } from '../support/stories.ts'

const port = await freePort()
test.use({ serverOptions: { settings: { CATALOG_ALLOW: `http://127.0.0.1:${port}/` } }, roles: ['admin'] })

let host: GitHost
test.beforeEach(async () => {
  host = await GitHost.start(port)
})
test.afterEach(async ({ admin }) => {
  // One that stayed might try again, and find what the next host serves at the same address.
  const { items } = await admin.get<{ items: { id: string; builtIn: boolean }[] }>('/api/v1/catalog/repositories')
  for (const { id } of items.filter(({ builtIn }) => !builtIn)) await admin.delete(`/api/v1/catalog/repositories/${id}`)
  await host.stop()
})

function manifest(name: string, displayName: string, more = ''): string {
  return `apiVersion: stream.streamspace.io/v1alpha1
kind: Template
metadata:
  name: ${name}
spec:
  displayName: ${displayName}
  description: ${displayName} for the whole team.
  category: Analysis
  tags: [team]
  baseImage: registry.example/${name}:1
  webapp: { enabled: true, port: 8080 }
${more}`
}

async function goTo(page: Page, path: string): Promise<void> {
  await page.goto(new URL(path, page.url()).href)
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
}

/** Marks the page, so that a reload would be found out. */
async function mark(page: Page): Promise<() => Promise<boolean>> {
  await page.evaluate(() => Object.assign(window, { neverReloaded: true }))
  return () => page.evaluate(() => 'neverReloaded' in window)
}

/** Adds the host's repository on the page, and gives the host the secret that the page shows once. */
async function addRepository(page: Page, name: string): Promise<void> {
  await goTo(page, '/admin/catalog/repositories')
  await page.getByRole('button', { name: 'Add a repository' }).click()
  const dialog = page.getByRole('dialog', { name: 'Add a repository' })
  await dialog.getByLabel('Name', { exact: true }).fill(name)
  await dialog.getByLabel('URL').fill(host.url)
  await dialog.getByRole('button', { name: 'Add a repository' }).click()
  await expect(dialog).toHaveCount(0)
  const row = page.getByRole('row', { name: new RegExp(name) })
  await expect(row).toContainText('In step')
  await row.getByRole('link', { name }).click()
  await page.getByRole('button', { name: 'Make a secret' }).click()
  const told = page.getByRole('status').filter({ hasText: 'Copy the secret now' })
  const secret = (await told.locator('code').textContent()) ?? ''
  const url = (await page.getByRole('region', { name: 'Webhook' }).locator('code').first().textContent()) ?? ''
  host.webhook = { url, secret }
}

test('somebody pushes, and the catalog has it: by a webhook, without a reload', async ({ person }) => {
  const { page } = person
  await host.push({ 'analysis/notebooks.yaml': manifest('team-notebooks', 'Team notebooks') })
  await addRepository(page, 'Team catalog')
  const repository = page.url()

  const catalog = await person.window()
  await goTo(catalog, '/admin/catalog?search=team')
  const untouched = await mark(catalog)
  await expect(catalog.getByRole('article')).toHaveCount(1)

  await host.push({ 'analysis/dashboards.yaml': manifest('team-dashboards', 'Team dashboards') })
  await expect.poll(() => host.answers).toEqual([202])
  await expect(catalog.getByRole('article', { name: 'Team dashboards' })).toBeVisible()
  expect(await untouched()).toBe(true)

  await test.step('the repository tells which delivery led to which sync', async () => {
    await page.goto(repository)
    const delivery = page.getByRole('table', { name: 'Last deliveries' }).getByRole('row', { name: /GitHub/ })
    await expect(delivery).toContainText('Synced')
    await delivery.getByRole('link', { name: /^Log/ }).click()
    await expect(page.getByRole('heading', { name: 'Sync of a repository', level: 1 })).toBeVisible()
    await expect(page.getByText('Done')).toBeVisible()
  })
})

test('a broken file is named with its line, and mended by the next push', async ({ person }) => {
  const { page } = person
  await host.push({ 'tools/good.yaml': manifest('good-tool', 'Good tool'), 'tools/bad.yaml': manifest('bad-tool', '7\n  baseImge: x') })
  await addRepository(page, 'Tools')
  const untouched = await mark(page)
  const problems = page.getByRole('table', { name: 'Problems in files' })
  await expect(problems.getByRole('row', { name: /tools\/bad\.yaml.*line \d+, column \d+/ }).first()).toBeVisible()
  await readable(page)
  await host.push({ 'tools/bad.yaml': manifest('bad-tool', 'Mended tool') })
  await expect(page.getByText('Every file of the latest sync could be read.')).toBeVisible()
  await expect(page.getByText('Templates', { exact: true }).locator('xpath=following-sibling::dd')).toHaveText('2')
  expect(await untouched()).toBe(true)
})

test('a template is installed, upgraded to what was pushed, and rolled back', async ({ person }) => {
  const { page, api } = person
  const readme = '# Notebooks\n\nWhat the team uses **every day**.\n\n<script>window.stolen = true</script><img src="https://elsewhere.test/x.png">\n'
  const parameters = '  parameters:\n    type: object\n    properties:\n      branch: { type: string, title: Branch }\n'
  await host.push({ 'a/notebooks.yaml': manifest('my-notebooks', 'My notebooks', parameters), 'a/notebooks.md': readme })
  await addRepository(page, 'Mine')
  await goTo(page, '/admin/catalog?search=notebooks&installed=no')
  await page.getByRole('link', { name: 'My notebooks' }).click()

  await test.step('what it is: its README as text, its questions, its file', async () => {
    const shown = page.getByRole('region', { name: 'README' })
    await expect(shown).toContainText('What the team uses every day.')
    await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1)
    await expect(shown.locator('script, img')).toHaveCount(0)
    expect(await page.evaluate(() => 'stolen' in window)).toBe(false)
    await page.getByRole('tab', { name: 'Parameters' }).click()
    await expect(page.getByLabel('Branch')).toBeVisible()
    await page.getByRole('tab', { name: 'Manifest' }).click()
    await expect(page.getByText('baseImage: registry.example/my-notebooks:1')).toBeVisible()
  })

  await page.getByRole('button', { name: 'Install' }).click()
  await expect(page.getByText('Installed as my-notebooks', { exact: true })).toBeVisible()
  await goTo(await person.window(), '/templates/my-notebooks')

  await host.push({ 'a/notebooks.yaml': manifest('my-notebooks', 'My notebooks', parameters).replace(':1\n', ':2\n') })
  await page.getByRole('button', { name: 'Upgrade my-notebooks to version 2' }).click()
  const image = async () => (await api.get<{ spec: { baseImage: string } }>('/api/v1/templates/my-notebooks')).spec.baseImage
  await expect.poll(image).toBe('registry.example/my-notebooks:2')

  await test.step('what changed is shown by fields and by lines', async () => {
    await page.getByRole('tab', { name: 'Versions' }).click()
    await expect(page.getByRole('row', { name: /baseImage/ })).toContainText('registry.example/my-notebooks:2')
    await expect(page.getByText('+  baseImage: registry.example/my-notebooks:2')).toBeVisible()
    await readable(page)
  })

  await page.getByRole('button', { name: 'Roll back my-notebooks to the version before' }).click()
  await expect.poll(image).toBe('registry.example/my-notebooks:1')
  await expect(page.getByRole('button', { name: 'Upgrade my-notebooks to version 2' })).toBeVisible()
})

test('a repository that cannot be reached says why, is given up, and is run again from the list of jobs', async ({ person }) => {
  const { page, api } = person
  await host.push({ 'a.yaml': manifest('late-tool', 'Late tool') })
  const address = host.url
  await host.stop()
  await api.post('/api/v1/catalog/repositories', { name: 'Away', url: address })
  await goTo(page, '/admin/jobs')
  await expect(page.getByText('1 job was given up after the last attempt')).toBeVisible({ timeout: 100_000 })
  await readable(page)
  await page.getByRole('link', { name: 'Show them' }).click()
  await page.getByRole('row', { name: /Away/ }).getByRole('link', { name: 'Sync of a repository' }).click()
  await expect(page.getByRole('log', { name: 'Lines of the log' })).toContainText('Attempt 3')
  host = await GitHost.start(port)
  await host.push({ 'a.yaml': manifest('late-tool', 'Late tool') })
  await page.getByRole('button', { name: 'Run again' }).click()
  await expect(page.getByText('Done')).toBeVisible()
  await goTo(page, '/admin/catalog?search=late')
  await expect(page.getByRole('article', { name: 'Late tool' })).toBeVisible()
})

test('root inside is granted with a reason, and taken back', async ({ person }) => {
  const { page } = person
  await host.push({ 'a.yaml': manifest('rooted', 'Rooted', '  security: baseline\n') })
  await addRepository(page, 'Rooted images')
  await goTo(page, '/admin/catalog/grants')
  await page.getByRole('button', { name: 'Grant root inside' }).click()
  const dialog = page.getByRole('dialog', { name: 'Grant root inside' })
  await dialog.getByRole('combobox', { name: 'What' }).click()
  await page.getByRole('option', { name: 'Rooted images' }).click()
  await dialog.getByLabel('Why').fill('Looked through by us.')
  await dialog.getByRole('button', { name: 'Grant', exact: true }).click()
  const row = page.getByRole('row', { name: /Rooted images/ })
  await expect(row).toContainText('Looked through by us.')
  await readable(page)
  await row.getByRole('button', { name: 'Take back: Rooted images' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Take back' }).click()
  await expect(page.getByText('Nothing is granted')).toBeVisible()
})
