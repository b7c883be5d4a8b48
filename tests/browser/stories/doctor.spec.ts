// A session that does not start says why in plain words, and what to do, where the person is looking. Each reason that
// exists on one machine is brought about for real.

import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from '@playwright/test'
import { picture } from '../support/pictures.ts'
import { Api, type Session } from '../support/api.ts'
import { expect, type Person, signIn, test } from '../support/stories.ts'
import { Terminal } from '../support/terminal.ts'

test.use({
  serverOptions: { movableClock: true, settings: { SESSION_START_TIMEOUT: '3s', USER_PV_SIZE: '16Mi' } },
})

/** A template that is a web app made of one shell command. */
function command(name: string, script: string, more: object = {}) {
  return template(name, { command: ['/bin/sh', '-c', script], ...more })
}

function template(name: string, local: object, more: object = {}) {
  return {
    apiVersion: 'stream.streamspace.io/v1alpha1',
    kind: 'Template',
    metadata: { name },
    spec: {
      displayName: name,
      description: 'Made by a test.',
      category: 'Tests',
      baseImage: 'scratch',
      webapp: { enabled: true, port: 8080, path: '/' },
      ports: [{ name: 'http', containerPort: 8080 }],
      defaultResources: { cpu: '200m', memory: '128Mi' },
      local,
      ...more,
    },
  }
}

/** The API calls a template by its name. */
async function add(admin: Api, made: ReturnType<typeof template>): Promise<string> {
  await admin.post('/api/v1/templates', made)
  return made.metadata.name
}

/** Puts `person` in front of a session. */
async function inFrontOf(person: Person, { metadata }: Session): Promise<Page> {
  await person.page.goto(new URL(`/sessions/${metadata.name}`, person.page.url()).href)
  return person.page
}

/** Waits until the API gives `reason`, and compares what the page says of it. */
async function isTold(page: Page, api: Api, { metadata }: Session, reason: string, says: RegExp): Promise<void> {
  const doctor = async () => (await api.session(metadata.name)).status?.doctor
  await expect.poll(async () => (await doctor())?.reason, { timeout: 60_000 }).toBe(reason)
  const verdict = page.getByRole('alert', { name: 'What is wrong' }).first()
  await expect(verdict).toContainText(says)
  const { message, remedy } = (await doctor()) ?? { message: 'no message', remedy: 'no remedy' }
  await expect(verdict).toContainText(message)
  await expect(verdict).toContainText(remedy)
  await expect(verdict).toContainText(reason)
  expect(remedy.length).toBeGreaterThan(10)
}

const FAILING = [
  {
    reason: 'ExitedAtOnce',
    of: command('ends-at-once', 'echo "no display" >&2; exit 3'),
    says: /no display/,
    button: 'Open the log',
  },
  { reason: 'PortNeverOpened', of: command('never-answers', 'exec sleep 1000'), says: /8080/, button: 'Open the log' },
  {
    reason: 'OutOfMemory',
    of: command('eats-memory', "exec /usr/bin/python3 -c 'x=[bytearray(1<<24) for _ in range(1000)]'"),
    says: /128 MiB/,
    button: 'Choose another size',
  },
  {
    reason: 'ProgramMissing',
    of: template('undeclared', { command: ['no-such-program'] }),
    says: /no-such-program/,
    button: 'Try again',
  },
]

for (const { reason, of, says, button } of FAILING) {
  test(`${reason} is named on the page, with its remedy`, async ({ person, admin }) => {
    const session = await person.api.launch(await add(admin, of))
    const page = await inFrontOf(person, session)
    await isTold(page, person.api, session, reason, says)
    await person.api.reaches(session.metadata.name, 'Failed')
    await expect(page.getByRole('main').getByRole('button', { name: button })).toBeVisible()
    if (reason === 'ExitedAtOnce') await picture(page, 'doctor')
  })
}

test('where memory is too little a larger size is a click away, and the session runs with it', async ({ person, admin }) => {
  const eats = "x = b'x' * (170 << 20); import http.server as h; h.HTTPServer(('127.0.0.1', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
  const session = await person.api.launch(await add(admin, template('wants-memory', { command: ['/usr/bin/python3', '-c', eats] })))
  const page = await inFrontOf(person, session)
  await person.api.reaches(session.metadata.name, 'Failed')
  await page.getByRole('main').getByRole('button', { name: 'Choose another size' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('radio', { name: 'Large' }).click()
  await dialog.getByRole('button', { name: 'Apply and try again' }).click()
  await expect(dialog).toHaveCount(0)
  await person.api.reaches(session.metadata.name, 'Running')
  await expect(page.getByRole('alert', { name: 'What is wrong' })).toHaveCount(0)
})

test('HomeNotWritable is named, and the session starts once the home is right', async ({ person, server }) => {
  const home = join(server.data, 'homes', `home-${person.name}`)
  await writeFile(home, 'no folder')
  const session = await person.api.launch('terminal')
  const page = await inFrontOf(person, session)
  await isTold(page, person.api, session, 'HomeNotWritable', /home/)
  await person.api.reaches(session.metadata.name, 'Failed')
  await rm(home)
  await page.getByRole('button', { name: 'More actions' }).click()
  await page.getByRole('menuitem', { name: 'Try again' }).click()
  await person.api.reaches(session.metadata.name, 'Running')
})

test('DiskFull is named when a home outgrows its size', async ({ person, server }) => {
  const session = await person.api.running('terminal')
  const page = await inFrontOf(person, session)
  const terminal = await Terminal.in(page)
  const full = async () => (await person.api.session(session.metadata.name)).status?.doctor?.reason === 'DiskFull'
  // A home is measured every minute, and has to have grown since the first time.
  for (let file = 1; file <= 4 && !(await full()); file += 1) {
    await terminal.run(`head -c 8000000 /dev/zero > ~/${file}; echo "<written ${file}>"`, `<written ${file}>`)
    await server.advance(61)
  }
  await isTold(page, person.api, session, 'DiskFull', /16 MiB/)
})

const BOOT = /"boot":\s*"[0-9a-f-]+"/

test('HostRestarted is named, and waking is one click', async ({ person, server }) => {
  const session = await person.api.running('terminal')
  const page = await inFrontOf(person, session)
  await Terminal.in(page)
  const [holder] = await server.place.processesOf(session.metadata.name)
  await server.end('SIGTERM')
  // What a restart of the machine leaves: no process, and a record of another boot.
  process.kill(Number.parseInt(holder ?? '', 10), 'SIGKILL')
  const record = join(server.data, 'sandboxes', session.metadata.name, 'spec.json')
  // As text: it holds numbers that are too large for this language.
  const spec = await readFile(record, 'utf8')
  expect(spec).toMatch(BOOT)
  await writeFile(record, spec.replace(BOOT, '"boot":"00000000-0000-0000-0000-000000000000"'))
  await server.run()
  await person.api.reaches(session.metadata.name, 'Hibernated')
  await expect(page.getByText(/Connection lost/)).toHaveCount(0, { timeout: 40_000 })
  await isTold(page, person.api, session, 'HostRestarted', /restarted/)
  await page.getByRole('main').getByRole('button', { name: 'Wake' }).click()
  await person.api.reaches(session.metadata.name, 'Running')
  await expect(page.getByRole('alert', { name: 'What is wrong' })).toHaveCount(0)
})

test('Unknown names what happened when a session is ended from outside', async ({ person, server }) => {
  const session = await person.api.running('terminal')
  const page = await inFrontOf(person, session)
  const [holder] = await server.place.processesOf(session.metadata.name)
  process.kill(Number.parseInt(holder ?? '', 10), 'SIGKILL')
  await page.getByRole('button', { name: /details/i }).click()
  await page.getByRole('tab', { name: 'Timeline' }).click()
  await expect(page.getByRole('complementary', { name: 'Session details' })).toContainText('ended from outside')
  await person.api.reaches(session.metadata.name, 'Running')
})

test('ValidationFailed is named when the template is gone', async ({ person, admin }) => {
  const serves = command('goes-away', 'exec /usr/bin/python3 -m http.server 8080')
  const session = await person.api.running(await add(admin, serves))
  await person.api.patch(`/api/v1/sessions/${session.metadata.name}`, { state: 'hibernated' })
  await person.api.reaches(session.metadata.name, 'Hibernated')
  await admin.delete('/api/v1/templates/goes-away')
  await person.api.patch(`/api/v1/sessions/${session.metadata.name}`, { state: 'running' })
  await isTold(await inFrontOf(person, session), person.api, session, 'ValidationFailed', /no template “goes-away”/)
})

test('UserUnknown is named to the administrator who wakes the session of a disabled account', async ({ person, admin, browser }) => {
  const name = `former-${person.name}`
  const former = await Api.byLink(await admin.invite(name))
  const session = await former.running('terminal')
  await admin.patch(`/api/v1/users/${name}`, { disabled: true })
  await admin.reaches(session.metadata.name, 'Hibernated')
  const keeper = await (await browser.newContext()).newPage()
  await signIn(keeper, await admin.invite(`keeper-of-${name}`, ['admin']))
  await keeper.goto(new URL(`/sessions/${session.metadata.name}`, keeper.url()).href)
  await keeper.getByRole('main').getByRole('button', { name: 'Wake' }).click()
  await isTold(keeper, admin, session, 'UserUnknown', /disabled/)
  await keeper.context().close()
  await former.close()
  await admin.delete(`/api/v1/sessions/${session.metadata.name}`)
})

test('a template whose program is missing cannot be launched, and says which package brings it', async ({ person, admin }) => {
  const requires = [{ program: 'no-such-program', install: 'apt-get install no-such-package' }]
  await add(admin, command('missing-program', 'true', { requires }))
  await person.page.getByRole('link', { name: 'Templates' }).first().click()
  // Only cards near the window are drawn.
  await person.page.getByRole('searchbox', { name: 'Search templates' }).fill('missing-program')
  const card = person.page.getByRole('article', { name: 'missing-program' })
  await expect(card).toContainText('Does not run on this machine yet')
  await expect(card).toContainText('apt-get install no-such-package')
  await expect(card.getByRole('link', { name: /^Launch/ })).toHaveCount(0)
})
