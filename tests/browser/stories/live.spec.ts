// Two windows, a network that goes away, a list that never has to be reloaded.

import { picture } from '../support/pictures.ts'
import { expect, signIn, test } from '../support/stories.ts'

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

test('nobody sees the sessions of somebody else, and an administrator sees all', async ({ person, admin, server, browser }) => {
  const { metadata } = await person.api.running('terminal', { displayName: 'Private' })
  const other = await (await browser.newContext()).newPage()
  await signIn(other, await admin.invite('curious'))
  await other.goto(`${server.origin}/sessions/${metadata.name}`)
  await expect(other.getByText('This session no longer exists')).toBeVisible()
  await other.goto(`${server.origin}/sessions`)
  await expect(other.getByText('No sessions yet')).toBeVisible()
  expect((await admin.sessions()).map((session) => session.metadata.name)).toContain(metadata.name)
  await other.context().close()
})

test('the log is there as it is written', async ({ person }) => {
  const { metadata } = await person.api.running('desktop')
  await person.page.goto(new URL(`/sessions/${metadata.name}?panel=logs`, person.page.url()).href)
  const log = person.page.getByRole('log', { name: 'Log lines' })
  await expect(log).toContainText(/Xvnc|VNC/i)
  await picture(person.page, 'log')
})
