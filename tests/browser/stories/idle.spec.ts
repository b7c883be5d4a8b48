// When nobody works in a session it goes to sleep, and says so beforehand. The server's clock is moved; everything else
// is real.

import { expect, type Person, test } from '../support/stories.ts'
import type { Server } from '../support/server.ts'
import { desktopIn, IN_TERMINAL } from '../support/screen.ts'
import { Notebook } from '../support/jupyter.ts'
import { Terminal } from '../support/terminal.ts'

test.use({ serverOptions: { movableClock: true } })

const MINUTES = 60
/** The idle time that the stories ask for. */
const IDLE = { idleTimeout: '30m' }

/** Puts `person` in front of `name` and waits until the gateway counts the connection. */
async function opened(person: Person, name: string) {
  await person.page.goto(new URL(`/sessions/${name}?panel=health`, person.page.url()).href)
  await expect.poll(async () => (await person.api.activity(name))?.connections ?? 0).toBeGreaterThan(0)
  return person.page
}

/** Minutes from the server's present until the stop that it announces; infinite while somebody works in it. */
async function minutesLeft(server: Server, person: Person, name: string): Promise<number> {
  const activity = await person.api.activity(name)
  if (!activity?.idle.stopsAt) return Number.POSITIVE_INFINITY
  return (Date.parse(activity.idle.stopsAt) - server.now()) / 60_000
}

test('an open desktop with a moving clock on it goes to sleep on time, and the page says why', async ({ person, server }) => {
  const { metadata } = await person.api.running('desktop', IDLE)
  const page = await opened(person, metadata.name)
  await (await desktopIn(page)).click({ position: IN_TERMINAL })
  await page.keyboard.type('while :; do clear; date; sleep 1; done')
  await page.keyboard.press('Enter')

  await server.advance(20 * MINUTES)
  await expect.poll(() => minutesLeft(server, person, metadata.name)).toBeCloseTo(10, 0)
  expect((await person.api.activity(metadata.name))?.idle.cause).toContain('nobody works in it')
  await expect(page.getByRole('complementary', { name: 'Session details' })).toContainText('a window is open, but nobody works in it')
  expect((await person.api.session(metadata.name)).status?.phase).toBe('Running')

  await server.advance(11 * MINUTES)
  await person.api.reaches(metadata.name, 'Hibernated')
  await expect(page.getByText('Your files are kept')).toBeVisible()
})

test('a key keeps the desktop up', async ({ person, server }) => {
  const { metadata } = await person.api.running('desktop', IDLE)
  const page = await opened(person, metadata.name)
  const screen = await desktopIn(page)
  await server.advance(25 * MINUTES)
  await expect.poll(() => minutesLeft(server, person, metadata.name)).toBeCloseTo(5, 0)
  await screen.focus()
  await page.keyboard.press('a')
  await expect.poll(() => minutesLeft(server, person, metadata.name)).toBeGreaterThan(28)
  await server.advance(20 * MINUTES)
  expect((await person.api.session(metadata.name)).status?.phase).toBe('Running')
})

test('a mouse that moves keeps the desktop up', async ({ person, server }) => {
  const { metadata } = await person.api.running('desktop', IDLE)
  const page = await opened(person, metadata.name)
  const screen = await desktopIn(page)
  await server.advance(25 * MINUTES)
  const box = await screen.boundingBox()
  if (box === null) throw new Error('no screen')
  await page.mouse.move(box.x + 300, box.y + 300)
  await page.mouse.move(box.x + 340, box.y + 320)
  await expect.poll(() => minutesLeft(server, person, metadata.name)).toBeGreaterThan(28)
})

test('snoozing postpones the stop, in the page and in the truth', async ({ person, server }) => {
  const { metadata } = await person.api.running('terminal', IDLE)
  const page = await opened(person, metadata.name)
  await Terminal.in(page)
  await server.advance(26 * MINUTES)
  await page.getByRole('banner').getByRole('button', { name: /Keep it running for/ }).click()
  await expect.poll(() => minutesLeft(server, person, metadata.name)).toBeGreaterThan(55)
  await server.advance(31 * MINUTES)
  expect((await person.api.session(metadata.name)).status?.phase).toBe('Running')
  await server.advance(31 * MINUTES)
  await person.api.reaches(metadata.name, 'Hibernated')
})

test('an untouched JupyterLab goes to sleep on time although its page goes on asking', async ({ person, server }) => {
  const { metadata } = await person.api.running('jupyterlab', IDLE)
  const page = await opened(person, metadata.name)
  await Notebook.launcher(page)

  await server.advance(20 * MINUTES)
  await expect.poll(() => minutesLeft(server, person, metadata.name)).toBeLessThan(10.5)
  await page.waitForRequest((request) => new URL(request.url()).hostname.startsWith(metadata.name))
  expect(await minutesLeft(server, person, metadata.name)).toBeLessThan(10.5)

  await server.advance(11 * MINUTES)
  await person.api.reaches(metadata.name, 'Hibernated')
  await expect(page.getByText('Your files are kept')).toBeVisible()
})

test('a cell that runs keeps JupyterLab up, and lets it sleep once it is done', async ({ person, server }) => {
  test.setTimeout(180_000)
  const { metadata } = await person.api.running('jupyterlab', IDLE)
  const notebook = await Notebook.open(await opened(person, metadata.name))
  await notebook.run('import os, time\nwhile not os.path.exists("done"): time.sleep(.1)')
  await expect(notebook.running).toHaveCount(1)

  // Longer in all than it may be idle.
  for (const part of ['first', 'second']) {
    await server.advance(25 * MINUTES)
    await expect.poll(() => minutesLeft(server, person, metadata.name), part).toBeGreaterThan(28)
  }
  expect((await person.api.activity(metadata.name))?.idle.cause).toMatch(/^Active/)

  const beside = await person.api.running('terminal')
  const window = await person.window()
  await window.goto(new URL(`/sessions/${beside.metadata.name}`, window.url()).href)
  await (await Terminal.in(window)).enter('touch ~/done')
  await expect(notebook.running).toHaveCount(0)
  await server.advance(32 * MINUTES)
  await person.api.reaches(metadata.name, 'Hibernated')
})

test('a session says when four fifths of a budget are used, and when there is more', async ({ person, server, admin }) => {
  const { metadata } = await person.api.running('terminal', { idleTimeout: '12h' })
  const left = async () => {
    const { status } = await person.api.session(metadata.name)
    return status?.conditions?.find(({ type }) => type === 'BudgetLeft')?.status
  }
  // Budgets are looked at every half minute, also while the clock is being moved.
  const leftSoon = async () => {
    await server.advance(31)
    return left()
  }
  // The terminal holds one core.
  await admin.put(`/api/v1/users/${person.name}/quota`, { cpuHours: 2 })
  await server.advance(60 * MINUTES)
  expect(await left(), 'half of it is left').toBeUndefined()
  await server.advance(40 * MINUTES)
  await expect.poll(leftSoon).toBe('False')
  const page = await opened(person, metadata.name)
  await expect(page.getByRole('complementary', { name: 'Session details' })).toContainText(/80 % or more of 2 CPU-hours/)
  await admin.put(`/api/v1/users/${person.name}/quota`, { cpuHours: 20 })
  await expect.poll(leftSoon).toBe('True')
})
