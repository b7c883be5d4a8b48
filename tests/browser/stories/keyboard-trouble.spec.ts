// When something comes in between, with the keyboard alone: a network that is gone, a start that fails, a session that
// is about to stop, a text that has to cross. Any use of a mouse fails the story.

import { choose, press, reach, withoutMouse } from '../support/keyboard.ts'
import { desktopIn, screenOf } from '../support/screen.ts'
import { expect, test } from '../support/stories.ts'
import { Terminal } from '../support/terminal.ts'

test.use({ serverOptions: { movableClock: true } })

const MINUTES = 60

let mouseAgain = () => {}
test.beforeEach(async ({ person: { page } }) => {
  mouseAgain = await withoutMouse(page)
})
test.afterEach(() => mouseAgain())

test('a text is sent to a desktop, and one that is copied there is read, by keys', async ({ person }) => {
  const { page, api } = person
  const { metadata } = await api.running('desktop')
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  await desktopIn(page)
  await expect(screenOf(page)).toBeFocused()
  await page.keyboard.type('stty -icanon; head -c 6 > ~/pasted; stty icanon')
  await page.keyboard.press('Enter')

  await test.step('out of the window, into the clipboard, and back into the window', async () => {
    await page.keyboard.press('Control+Alt+Shift')
    await press(page, page.getByRole('button', { name: 'Clipboard', exact: true }))
    await reach(page, page.getByRole('textbox', { name: 'Text for the session' }))
    await page.keyboard.type('by key')
    await press(page, page.getByRole('button', { name: 'Send to the session' }))
    await expect(page.getByRole('textbox', { name: 'Text for the session' })).toBeFocused()
    await page.keyboard.press('Escape')
    await expect(page.getByRole('button', { name: 'Clipboard', exact: true })).toBeFocused()
    await page.keyboard.press('Escape')
    await expect(screenOf(page)).toBeFocused()
  })

  await test.step('what is pasted there arrives in its files', async () => {
    await page.keyboard.press('Shift+Insert')
    const beside = await api.running('terminal')
    const window = await person.window()
    await window.goto(new URL(`/sessions/${beside.metadata.name}`, window.url()).href)
    const terminal = await Terminal.in(window)
    await terminal.holds('~/pasted', 'by key')
    await terminal.enter("printf 'copied there' > ~/copied")
    await page.bringToFront()
  })

  await test.step('what is copied there can be taken from the panel', async () => {
    await reach(page, screenOf(page))
    await page.keyboard.type('xclip -selection clipboard ~/copied')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Control+Alt+Shift')
    await press(page, page.getByRole('button', { name: 'Clipboard', exact: true }))
    await expect(page.getByRole('textbox', { name: 'Copied in the session' })).toHaveValue('copied there')
  })
})

test('the connection is tried again by a key, from a page that never was reloaded', async ({ person: { page, api } }) => {
  const { metadata } = await api.running('terminal', { displayName: 'Kept' })
  await expect(page.getByRole('article', { name: 'Kept' })).toBeVisible()
  await page.evaluate(() => Object.assign(window, { neverReloaded: true }))
  await page.context().setOffline(true)
  const retry = page.getByRole('button', { name: 'Retry now' })
  await reach(page, retry)
  await api.patch(`/api/v1/sessions/${metadata.name}`, { state: 'hibernated' })
  await api.reaches(metadata.name, 'Hibernated')
  await page.context().setOffline(false)
  // The network's return is an event of its own, which may be quicker than any key.
  if (await retry.isVisible()) await page.keyboard.press('Enter')
  await expect(page.getByText(/Connection lost/)).toHaveCount(0, { timeout: 40_000 })
  await press(page, page.getByRole('button', { name: 'Wake Kept' }))
  await api.reaches(metadata.name, 'Running')
  expect(await page.evaluate(() => 'neverReloaded' in window)).toBe(true)
})

test('a start that failed is explained, its log opened and the session tried again, by keys', async ({
  person: { page, api },
  admin,
}) => {
  const local = { command: ['sh', '-c', 'echo no licence >&2; exit 3'] }
  const spec = { displayName: 'Licensed', baseImage: 'x:1', webapp: { port: 8080 } }
  await admin.post('/api/v1/templates', { name: 'licensed', ...spec, local })
  const { metadata } = await api.launch('licensed')
  await api.reaches(metadata.name, 'Failed')
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  await expect(page.getByRole('alert', { name: 'What is wrong' })).toContainText('no licence')
  await press(page, page.getByRole('main').getByRole('button', { name: 'Open the log' }))
  await expect(page.getByRole('log', { name: 'Log lines' })).toContainText('no licence')

  await admin.patch('/api/v1/templates/licensed', { local: { command: ['sh', '-c', 'exec python3 -m http.server 8080'] } })
  await press(page, page.getByRole('button', { name: 'More actions' }))
  await choose(page, 'Try again')
  await api.reaches(metadata.name, 'Running')
})

test('a session that would stop soon is kept running, from its bar and from its details, by keys', async ({
  person: { page, api },
  server,
}) => {
  const { metadata } = await api.running('terminal', { idleTimeout: '30m' })
  const minutesLeft = async () => {
    const stopsAt = (await api.activity(metadata.name))?.idle.stopsAt
    return stopsAt ? (Date.parse(stopsAt) - server.now()) / 60_000 : Number.POSITIVE_INFINITY
  }
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  const terminal = await Terminal.in(page)
  await terminal.run('echo "<$((40 + 2))>"', '<42>')
  await page.keyboard.press('Control+Alt+Shift')
  await expect(page.getByRole('banner')).toBeFocused()
  await server.advance(26 * MINUTES)
  await expect.poll(minutesLeft).toBeLessThan(5)
  // The terminal may have every key by now.
  await page.keyboard.press('Control+Alt+Shift')
  await press(page, page.getByRole('banner').getByRole('button', { name: /Keep it running for/ }))
  await expect.poll(minutesLeft).toBeGreaterThan(55)

  // Before the time passes: the terminal gets another size by it, and tells its program, which counts as its use.
  await press(page, page.getByRole('button', { name: 'Details' }))
  await expect(page.getByRole('complementary').getByText(/^Active/)).toBeVisible()
  await server.advance(40 * MINUTES)
  await press(page, page.getByRole('complementary').getByRole('button', { name: /Keep it running for 4/ }))
  await expect.poll(minutesLeft).toBeGreaterThan(230)
})

test('somebody else’s desktop is looked at first, and taken part in on purpose, by keys', async ({
  person: { page, api, name },
  admin,
}) => {
  const other = `other-than-${name}`
  await admin.invite(other)
  await admin.patch(`/api/v1/users/${name}`, { roles: ['admin'] })
  const { metadata } = await admin.launch('desktop', { user: other })
  await admin.reaches(metadata.name, 'Running')
  await page.goto(new URL(`/sessions/${metadata.name}`, page.url()).href)
  const bar = page.getByRole('banner')
  await expect(bar).toContainText(`Session of ${other}`)
  await expect(bar.getByText('View only')).toBeVisible()
  await expect(bar.getByRole('button', { name: 'Clipboard', exact: true })).toHaveCount(0)
  const connecting = page.waitForEvent('websocket', (socket) => socket.url().includes('/vnc'))
  await press(page, bar.getByRole('button', { name: 'Take part' }))
  expect((await connecting).url()).not.toContain('view=')
  await expect(bar.getByText('View only')).toHaveCount(0)
  await expect(bar.getByRole('button', { name: 'Clipboard', exact: true })).toBeVisible()
  await expect(screenOf(page)).toBeFocused()
  expect((await api.session(metadata.name)).spec.user).toBe(other)
  await admin.delete(`/api/v1/sessions/${metadata.name}`)
})
