// Two windows, a network that goes away, a list that never has to be reloaded.

import { picture } from '../support/pictures.ts'
import { expect, signIn, stranger, test } from '../support/stories.ts'
import { Terminal } from '../support/terminal.ts'

test('what is done in one window is seen in the other', async ({ person }) => {
  const first = person.page
  const second = await person.window()
  await first.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Sessions' }).click()
  await expect(first.getByText('No sessions yet')).toBeVisible()

  const session = await person.api.launch('terminal', { displayName: 'Seen twice' })
  for (const page of [first, second]) await expect(page.getByText('Seen twice').first()).toBeVisible()
  const row = first.getByRole('table', { name: 'Sessions' }).getByRole('row', { name: /Seen twice/ })
  await expect(row).toContainText('Running')
  await picture(first, 'sessions')

  await person.api.patch(`/api/v1/sessions/${session.metadata.name}`, { state: 'hibernated' })
  await expect(row).toContainText('Asleep')
  await expect(second.getByRole('button', { name: 'Wake Seen twice' })).toBeVisible()

  await second.getByRole('button', { name: 'Wake Seen twice' }).click()
  await expect(row).toContainText('Running')

  await person.api.delete(`/api/v1/sessions/${session.metadata.name}`)
  await expect(row).toHaveCount(0)
})

test('changes made while the network was away are there when it is back, without a reload', async ({ person }) => {
  const { page } = person
  const kept = await person.api.running('terminal', { displayName: 'Kept' })
  const gone = await person.api.running('terminal', { displayName: 'Gone' })
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Sessions' }).click()
  const table = page.getByRole('table', { name: 'Sessions' })
  await expect(table.getByRole('row', { name: /Kept/ })).toContainText('Running')
  await page.evaluate(() => Object.assign(window, { neverReloaded: true }))

  await page.context().setOffline(true)
  await expect(page.getByText(/Connection lost/)).toBeVisible({ timeout: 40_000 })
  await picture(page, 'connection-lost')
  await person.api.patch(`/api/v1/sessions/${kept.metadata.name}`, { state: 'hibernated' })
  await person.api.delete(`/api/v1/sessions/${gone.metadata.name}`)
  await person.api.launch('terminal', { displayName: 'New' })
  await person.api.reaches(kept.metadata.name, 'Hibernated')

  await page.context().setOffline(false)
  await expect(page.getByText(/Connection lost/)).toHaveCount(0, { timeout: 40_000 })
  await expect(table.getByRole('row', { name: /Kept/ })).toContainText('Asleep')
  await expect(table.getByRole('row', { name: /New/ })).toBeVisible()
  await expect(table.getByRole('row', { name: /Gone/ })).toHaveCount(0)
  expect(await page.evaluate(() => 'neverReloaded' in window)).toBe(true)
})

test('a window that lost the network goes on where it was, with what was written meanwhile', async ({
  person: { name, page, api },
  server,
}) => {
  const { metadata } = await api.running('terminal')
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  const terminal = await Terminal.in(page)
  await page.evaluate(() => Object.assign(window, { neverReloaded: true }))
  await terminal.enter('kept=before; until [ -e ~/cut ]; do sleep .1; done; echo "<while $((40 + 2))>"')

  await page.context().setOffline(true)
  await expect(page.getByText(/Connection lost/)).toBeVisible({ timeout: 40_000 })
  await server.place.write(name, 'cut', '')
  await page.context().setOffline(false)
  await expect(page.getByText(/Connection lost/)).toHaveCount(0, { timeout: 40_000 })
  await terminal.shows('<while 42>')
  await terminal.run('echo "<$kept>"', '<before>')
  expect(await page.evaluate(() => 'neverReloaded' in window)).toBe(true)
})

test('two people see their own sessions live, an administrator everybody’s, and what one does the other sees', async ({
  person,
  admin,
  server,
  browser,
}) => {
  const curious = await stranger(browser)
  await signIn(curious, await admin.invite('curious'))
  const keeper = await stranger(browser)
  await signIn(keeper, await admin.invite('keeper', ['admin']))
  for (const page of [curious, keeper]) await page.goto(`${server.origin}/sessions`)
  await expect(curious.getByText('No sessions yet')).toBeVisible()
  await expect(keeper.getByRole('heading', { name: 'Sessions', level: 1 })).toBeVisible()

  const { metadata } = await person.api.running('terminal', { displayName: 'Private' })
  const row = keeper.getByRole('row', { name: /Private/ })
  await expect(row).toContainText('Running')
  await expect(person.page.getByRole('article', { name: 'Private' })).toContainText('Running')
  await keeper.getByRole('button', { name: 'Actions for Private' }).click()
  await keeper.getByRole('menuitem', { name: 'Stop and keep files' }).click()
  for (const seen of [row, person.page.getByRole('article', { name: 'Private' })]) await expect(seen).toContainText('Asleep')

  await expect(curious.getByText('No sessions yet')).toBeVisible()
  await curious.goto(`${server.origin}/sessions/${metadata.name}`)
  await expect(curious.getByText('This session no longer exists')).toBeVisible()
  await curious.context().close()
  await keeper.context().close()
})

test('the log is there as it is written', async ({ person }) => {
  const { metadata } = await person.api.running('desktop')
  await person.page.goto(new URL(`/sessions/${metadata.name}?panel=logs`, person.page.url()).href)
  const log = person.page.getByRole('log', { name: 'Log lines' })
  await expect(log).toContainText(/Xvnc|VNC/i)
  await picture(person.page, 'log')
})
