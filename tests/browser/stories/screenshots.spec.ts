// Pictures of every page, in light, in dark and on a phone, empty, loading and without its server: for looking at, in
// target/browser/pages; those that the documentation shows in the folder that `make screenshots` names.

import { copyFile, mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Page } from '@playwright/test'
import { Api } from '../support/api.ts'
import { GitHost } from '../support/git.ts'
import { screenOf } from '../support/screen.ts'
import { freePort } from '../support/server.ts'
import { expect, signIn, test } from '../support/stories.ts'
import { Terminal } from '../support/terminal.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const FOLDER = process.env['SCREENSHOTS']
const ALL = resolve(ROOT, 'target/browser/pages')

/** What the documentation shows, by the names it shows them under. */
const SHOWN: Record<string, string> = {
  'home-light': 'home',
  'home-phone': 'phone',
  'templates-light': 'gallery',
  'launch-light': 'launch',
  'sessions-dark': 'sessions',
  'desktop-light': 'desktop',
  'health-light': 'details',
}

const LOOKS = [
  { look: 'light', colorScheme: 'light', width: 1280, height: 800 },
  { look: 'dark', colorScheme: 'dark', width: 1280, height: 800 },
  { look: 'phone', colorScheme: 'light', width: 390, height: 844 },
] as const

const port = await freePort()
test.use({ serverOptions: { settings: { CATALOG_ALLOW: `http://127.0.0.1:${port}/`, REGISTRATION: 'true' } } })

test.skip(FOLDER === undefined, 'pictures are taken by make screenshots')

async function take(page: Page, name: string): Promise<void> {
  const path = resolve(ALL, `${name}.png`)
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' })
  const shown = SHOWN[name]
  if (shown === undefined || FOLDER === undefined) return
  const copy = resolve(ROOT, FOLDER, `${shown}.png`)
  await mkdir(dirname(copy), { recursive: true })
  await copyFile(path, copy)
}

/** The page as it is, in each look. */
async function takeAll(page: Page, name: string): Promise<void> {
  for (const { look, colorScheme, width, height } of LOOKS) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.setViewportSize({ width, height })
    await expect(page.locator('[aria-busy="true"], .mantine-Skeleton-root')).toHaveCount(0)
    await take(page, `${name}-${look}`)
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1280, height: 800 })
}

async function goTo(page: Page, path: string): Promise<void> {
  await page.goto(new URL(path, page.url()).href)
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
}

test('pages with nothing on them', async ({ person: { page }, browser, server }) => {
  await takeAll(page, 'home-empty')
  await goTo(page, '/sessions')
  await takeAll(page, 'sessions-empty')
  await goTo(page, '/templates?search=zzzz')
  await takeAll(page, 'templates-nothing-found')
  await goTo(page, '/nowhere')
  await takeAll(page, 'missing')
  const stranger = await (await browser.newContext()).newPage()
  await stranger.goto(server.origin)
  await expect(stranger.getByRole('button', { name: 'Sign in' })).toBeVisible()
  await takeAll(stranger, 'sign-in')
  await stranger.context().close()
})

test('the catalog and its jobs', async ({ browser, admin }) => {
  const host = await GitHost.start(port)
  const tool = (name: string, displayName: string, image: string) =>
    `apiVersion: stream.streamspace.io/v1alpha1\nkind: Template\nmetadata: { name: ${name} }\nspec:\n  displayName: ${displayName}\n  description: What the team works with every day.\n  category: Science\n  tags: [team, python]\n  baseImage: ${image}\n  webapp: { port: 8080 }\n`
  try {
    await host.push({
      'science/notebooks.yaml': tool('team-notebooks', 'Team notebooks', 'registry.example/notebooks:1'),
      'science/notebooks.md': '# Team notebooks\n\nWith the packages that **everybody** needs:\n\n- numpy, pandas\n- our own `lab` package\n',
      'science/broken.yaml': 'kind: Template\nmetadata: { name: broken }\nspec: { displayName: Broken, baseImage: 7 }\n',
    })
    const page = await (await browser.newContext()).newPage()
    await signIn(page, await admin.invite('robin', ['admin']))
    const { id } = await admin.post<{ id: string }>('/api/v1/catalog/repositories', { name: 'Team', url: host.url })
    await admin.post('/api/v1/catalog/repositories', { name: 'Mirror', url: 'https://mirror.invalid/catalog' })
    await goTo(page, `/admin/catalog/repositories/${id}`)
    await expect(page.getByRole('table', { name: 'Problems in files' })).toBeVisible()
    await admin.post(`/api/v1/catalog/repositories/${id}/webhook-secret`)
    await goTo(page, '/admin/catalog?search=notebooks&installed=no')
    await page.getByRole('link', { name: 'Team notebooks' }).click()
    await page.getByRole('button', { name: 'Install' }).click()
    await expect(page.getByText('Installed as team-notebooks', { exact: true })).toBeVisible()
    await host.push({ 'science/notebooks.yaml': tool('team-notebooks', 'Team notebooks', 'registry.example/notebooks:2') })
    await admin.post(`/api/v1/catalog/repositories/${id}/sync`)
    await expect(page.getByRole('button', { name: /^Upgrade/ })).toBeVisible()
    const template = new URL(page.url()).pathname
    await admin.post('/api/v1/catalog/grants', { repository: id, reason: 'Looked through by the platform team.' })
    await goTo(page, '/admin/jobs')
    await expect(page.getByText(/given up after the last attempt/)).toBeVisible({ timeout: 100_000 })
    for (const [name, path] of [
      ['jobs', '/admin/jobs'],
      ['catalog', '/admin/catalog'],
      ['catalog-nothing-found', '/admin/catalog?search=zzzz'],
      ['catalog-template', template],
      ['catalog-versions', `${template}?tab=versions`],
      ['repositories', '/admin/catalog/repositories'],
      ['repository', `/admin/catalog/repositories/${id}`],
      ['grants', '/admin/catalog/grants'],
    ] as const) {
      await goTo(page, path)
      await takeAll(page, name)
    }
    await goTo(page, '/admin/jobs?status=DEAD')
    await page.getByRole('link', { name: 'Sync of a repository' }).first().click()
    await expect(page.getByRole('log')).toBeVisible()
    await takeAll(page, 'job')
    await page.context().close()
  } finally {
    await host.stop()
  }
})

test('people, what they work at, and what they share', async ({ browser, admin, server }) => {
  test.setTimeout(180_000)
  const page = await (await browser.newContext()).newPage()
  await signIn(page, await admin.invite('kim', ['admin']))
  const guest = await (await browser.newContext()).newPage()
  await signIn(guest, await admin.invite('sam'))
  const { url } = await admin.post<{ url: string }>('/api/v1/users/kim/sign-in-link')
  const api = await Api.byLink(url)
  await admin.post('/api/v1/service-accounts', { name: 'nightly', displayName: 'Nightly reports' })
  await admin.post('/api/v1/service-accounts/nightly/tokens', { name: 'reports', scopes: ['sessions:read'] })
  await admin.post('/api/v1/users/kim/identities', { issuer: 'https://login.example.com/realms/main', subject: '5f1c9a37' })
  await admin.post('/api/v1/projects', { name: 'apollo', displayName: 'Apollo', manager: 'kim' })
  await admin.put('/api/v1/projects/apollo/members/sam', { role: 'member' })
  await admin.put('/api/v1/projects/apollo/quota', { sessions: 1, cpu: '4', memory: '8Gi', cpuHours: 200 })
  await admin.post('/api/v1/projects', { name: 'gemini', displayName: 'Gemini' })
  const { metadata } = await api.running('terminal', { displayName: 'Guidance', project: 'apollo' })
  await api.post(`/api/v1/sessions/${metadata.name}/shares`, { user: 'sam', level: 'use' })
  for (const [name, path] of [
    ['projects', '/projects'],
    ['programs', '/admin/people'],
    ['identities', '/profile'],
  ] as const) {
    await goTo(page, path)
    await takeAll(page, name)
  }
  await goTo(page, '/admin/people')
  await page.getByRole('button', { name: 'Actions for Nightly reports' }).click()
  await page.getByRole('menuitem', { name: 'Tokens' }).click()
  await expect(page.getByRole('dialog').getByText('reports', { exact: true })).toBeVisible()
  await takeAll(page, 'program-tokens')
  await goTo(guest, '/')
  await expect(guest.getByRole('region', { name: 'Shared with you' })).toBeVisible()
  await takeAll(guest, 'shared')
  await goTo(guest, '/projects')
  await takeAll(guest, 'project-of-member')
  const stranger = await (await browser.newContext()).newPage()
  await stranger.goto(server.origin)
  await stranger.getByRole('button', { name: 'Create an account' }).click()
  await takeAll(stranger, 'register')
  await api.deleteSessions()
  await api.close()
  for (const each of [page, guest, stranger]) await each.context().close()
})

test('pages with something on them, loading, and without their server', async ({ browser, server, admin }) => {
  test.setTimeout(300_000)
  const page = await (await browser.newContext()).newPage()
  await signIn(page, await admin.invite('alex', ['admin']))
  await takeAll(page, 'home-first-day')
  await page.getByRole('button', { name: 'Hide this' }).click()
  const { url } = await admin.post<{ url: string }>('/api/v1/users/alex/sign-in-link')
  const api = await Api.byLink(url)

  const desktop = await api.running('desktop')
  const terminal = await api.running('terminal', { displayName: 'Build the report' })
  const asleep = await api.running('terminal', { displayName: 'Notes' })
  await api.patch(`/api/v1/sessions/${asleep.metadata.name}`, { state: 'hibernated' })
  await api.reaches(asleep.metadata.name, 'Hibernated')
  const broken = { command: ['sh', '-c', 'echo the licence server cannot be reached >&2; exit 3'] }
  const statistics = { name: 'statistics', displayName: 'Statistics', category: 'Science', baseImage: 'statistics:1' }
  await admin.post('/api/v1/templates', { ...statistics, webapp: { port: 8080 }, local: broken })
  const failed = await api.launch('statistics')
  await api.reaches(failed.metadata.name, 'Failed')

  await test.step('each page', async () => {
    for (const [name, path] of [
      ['home', '/'],
      ['templates', '/templates'],
      ['launch', '/templates/browser'],
      ['sessions', '/sessions'],
      ['profile', '/profile'],
      ['people', '/admin/people'],
      ['sso', '/admin/sso'],
      ['audit', '/admin/audit'],
      ['settings', '/admin/settings'],
      ['asleep', `/sessions/${asleep.metadata.name}`],
      ['failed', `/sessions/${failed.metadata.name}`],
    ] as const) {
      await goTo(page, path)
      await takeAll(page, name)
    }
  })

  await test.step('a terminal and a desktop, and what stands beside them', async () => {
    await goTo(page, `/sessions/${terminal.metadata.name}`)
    const window = await Terminal.in(page, 'Build the report')
    await window.run('clear; ls -1 / | head -5', 'bin')
    await takeAll(page, 'terminal')
    await goTo(page, `/sessions/${desktop.metadata.name}`)
    await expect(screenOf(page)).toBeVisible()
    await expect(page.getByText('Connecting…')).toHaveCount(0)
    await takeAll(page, 'desktop')
    for (const panel of ['health', 'timeline', 'logs', 'usage', 'people']) {
      await goTo(page, `/sessions/${desktop.metadata.name}?panel=${panel}`)
      await expect(page.getByRole('tabpanel')).toBeVisible()
      await expect(page.getByText('Connecting…')).toHaveCount(0)
      await takeAll(page, panel === 'people' ? 'connected' : panel)
    }
  })

  await test.step('dialogs', async () => {
    await goTo(page, '/')
    await page.keyboard.press('ControlOrMeta+k')
    await expect(page.getByRole('option').first()).toBeVisible()
    await takeAll(page, 'palette')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Actions for Build the report' }).click()
    await page.getByRole('menuitem', { name: 'Delete…' }).click()
    await takeAll(page, 'delete')
    await page.keyboard.press('Escape')
  })

  await test.step('while everything takes its time', async () => {
    const devtools = await page.context().newCDPSession(page)
    await devtools.send('Network.enable')
    for (const path of ['/', '/templates', '/sessions', '/admin/catalog', '/admin/jobs', '/admin/people', '/admin/audit']) {
      const slow = { offline: false, latency: 3_000, downloadThroughput: -1, uploadThroughput: -1 }
      await devtools.send('Network.emulateNetworkConditions', slow)
      await page.goto(new URL(path, page.url()).href)
      await expect(page.locator('.mantine-Skeleton-root').first()).toBeVisible({ timeout: 60_000 })
      await take(page, `${path === '/' ? 'home' : path.split('/').at(-1)}-loading`)
    }
    await devtools.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 })
    await devtools.detach()
  })

  await test.step('while the server is away', async () => {
    await goTo(page, '/')
    await expect(page.getByRole('article', { name: 'Notes' })).toBeVisible()
    await server.end('SIGKILL')
    await expect(page.getByText(/Connection lost/)).toBeVisible()
    await take(page, 'home-away')
    for (const name of ['Templates', 'Sessions', 'Catalog', 'Jobs', 'People', 'Audit log']) {
      await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }).click()
      await expect(page.getByRole('heading', { name, level: 1 })).toBeVisible()
      await page.waitForLoadState('networkidle')
      await take(page, `${name.toLowerCase().replace(' ', '-')}-away`)
    }
    await server.run()
    await expect(page.getByText(/Connection lost/)).toHaveCount(0, { timeout: 40_000 })
  })

  await api.deleteSessions()
  await api.close()
  await page.context().close()
})
