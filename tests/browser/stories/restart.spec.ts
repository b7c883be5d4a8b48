// The server dies with sessions open: they go on, and the windows find back to them by themselves.

import { Notebook } from '../support/jupyter.ts'
import { pressKeys } from '../support/keys.ts'
import { expect, test } from '../support/stories.ts'
import { desktopIn, IN_TERMINAL } from '../support/screen.ts'
import { Terminal } from '../support/terminal.ts'

test('a desktop and a notebook outlive a server that is killed, and their windows come back', async ({ person, server }) => {
  test.setTimeout(240_000)
  const { page: desktop } = person
  const [screen, lab, shell] = await Promise.all(
    ['desktop', 'jupyterlab', 'terminal'].map((template) => person.api.running(template)),
  )
  const at = (session: typeof screen) => new URL(`/sessions/${session?.metadata.name ?? ''}`, server.origin).href
  await desktop.goto(at(screen))
  await (await desktopIn(desktop)).click({ position: IN_TERMINAL })
  await pressKeys(desktop, 'kept')
  const notebookPage = await person.window()
  await notebookPage.goto(at(lab))
  const notebook = await Notebook.open(notebookPage)
  await notebook.run('kept = "before"')
  const shellPage = await person.window()
  await shellPage.goto(at(shell))
  const terminal = await Terminal.in(shellPage)
  const names = [screen, lab, shell].map((session) => session?.metadata.name ?? '')
  const before = await Promise.all(names.map((name) => server.place.processesOf(name)))
  for (const processes of before) expect(processes.length).toBeGreaterThan(1)
  for (const page of [desktop, notebookPage]) await page.evaluate(() => Object.assign(window, { neverReloaded: true }))

  await server.end('SIGKILL')
  for (const page of [desktop, notebookPage]) await expect(page.getByText(/Connection lost/).first()).toBeVisible()
  await server.run()

  for (const page of [desktop, notebookPage]) {
    await page.bringToFront()
    await expect(page.getByText(/Connection lost/)).toHaveCount(0, { timeout: 40_000 })
  }
  // JupyterLab tries at growing intervals to reach its kernel, and loses what is run before that.
  await expect(async () => {
    await notebook.run('print(kept)')
    await expect(notebook.output).toHaveText('before', { timeout: 5_000 })
  }).toPass({ timeout: 90_000 })
  // What was typed before is still in front of the cursor.
  await desktop.bringToFront()
  await (await desktopIn(desktop)).click({ position: IN_TERMINAL })
  await desktop.keyboard.press('Control+a')
  await desktop.keyboard.type('echo ')
  await desktop.keyboard.press('Control+e')
  await desktop.keyboard.type(' after > ~/desktop')
  await desktop.keyboard.press('Enter')
  await shellPage.bringToFront()
  await terminal.holds('~/desktop', 'kept after')
  for (const page of [desktop, notebookPage]) expect(await page.evaluate(() => 'neverReloaded' in window)).toBe(true)
  const after = await Promise.all(names.map((name) => server.place.processesOf(name)))
  for (const [index, processes] of before.entries()) expect(after[index]).toEqual(expect.arrayContaining(processes))
})

test('a page that is asked for while the server is away comes once it is back', async ({ person: { page }, server }) => {
  await server.end('SIGKILL')
  await expect(page.getByText(/Connection lost/)).toBeVisible()
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Sessions' }).click()
  await server.run()
  await expect(page.getByRole('heading', { name: 'Sessions', level: 1 })).toBeVisible({ timeout: 40_000 })
  await expect(page.getByText('No sessions yet')).toBeVisible()
})
