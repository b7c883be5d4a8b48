// What an app can do to the platform and to other apps from inside the person's browser: nothing. Tried under an ordinary
// domain, where the apps' names are below the platform's and browsers count them as one site; under `localhost` these
// attacks fail by themselves and would prove nothing. Each stands beside its control.

import { type BrowserContext, expect, type Frame, type Page, test as base } from '@playwright/test'
import { freePort, Server } from '../support/server.ts'
import { signIn } from '../support/stories.ts'
import { type Certificate, certificateFor } from '../support/tls.ts'

interface Site {
  origin: string
  /** A browser in which the person is signed in on the platform. */
  browser: BrowserContext
}

const certificate: Certificate = certificateFor(['platform.test', '*.apps.platform.test'])

const test = base.extend<object, { site: Site }>({
  site: [
    async ({ browser }, use) => {
      const port = await freePort()
      const origin = `https://platform.test:${port}`
      const server = await Server.start({
        port,
        settings: {
          PUBLIC_URL: origin,
          APPS_DOMAIN: `apps.platform.test:${port}`,
          TLS_CERT_FILE: certificate.certFile,
          TLS_KEY_FILE: certificate.keyFile,
        },
      })
      const context = await browser.newContext()
      const page = await context.newPage()
      await signIn(page, server.link ?? '')
      await page.evaluate(
        (template) =>
          fetch('/api/v1/templates', {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(template),
          }),
        HOSTILE,
      )
      await use({ origin, browser: context })
      await deleteSessions(page, origin)
      await context.close()
      await server.remove()
    },
    { scope: 'worker', timeout: 90_000 },
  ],
})

test.use({
  launchOptions: async ({ launchOptions }, use) =>
    use({
      ...launchOptions,
      args: [
        ...(launchOptions.args ?? []),
        '--host-resolver-rules=MAP platform.test 127.0.0.1, MAP *.platform.test 127.0.0.1',
        `--ignore-certificate-errors-spki-list=${certificate.fingerprint}`,
      ],
    }),
})

/** What `fetch` ends with in `where`: the status, or `refused` when the browser hands nothing over. */
async function ask(where: Page | Frame, url: string, options: RequestInit = {}): Promise<number | 'refused'> {
  return where.evaluate(
    async ([address, init]) => {
      try {
        return (await fetch(address, { credentials: 'include', ...init })).status
      } catch {
        return 'refused' as const
      }
    },
    [url, options] as const,
  )
}

/** Whether a WebSocket to `url` opens in `where`. */
async function socketOpens(where: Page | Frame, url: string): Promise<boolean> {
  return where.evaluate(
    (address) =>
      new Promise<boolean>((resolve) => {
        const socket = new WebSocket(address)
        socket.onopen = () => resolve(true)
        socket.onerror = () => resolve(false)
      }),
    url,
  )
}

/** An app that puts nothing in its own way: no CSP, so that what is refused is refused by the platform or the browser. */
const HOSTILE = {
  apiVersion: 'stream.streamspace.io/v1alpha1',
  kind: 'Template',
  metadata: { name: 'hostile' },
  spec: {
    displayName: 'Hostile',
    description: 'A page that may do anything.',
    category: 'Tests',
    baseImage: 'scratch',
    defaultResources: { cpu: '200m', memory: '128Mi' },
    ports: [{ name: 'http', containerPort: 8080 }],
    webapp: { enabled: true, port: 8080, path: '/' },
    local: {
      command: ['/bin/sh', '-c', 'cd /tmp && echo "<p>At your service" > index.html && exec python3 -m http.server 8080'],
    },
  },
}

/** The page of a hostile app that the person launches, and the frame in it that runs on the app's own origin. */
async function launched(page: Page, origin: string, template = 'hostile', shows = 'At your service'): Promise<{ id: string; app: Frame }> {
  await page.goto(`${origin}/templates/${template}`)
  await page.getByRole('button', { name: 'Start' }).click()
  await page.waitForURL(/\/sessions\/[a-z0-9-]+/)
  const id = new URL(page.url()).pathname.split('/').at(-1) ?? ''
  await expect(page.frameLocator('iframe').getByText(shows).first()).toBeVisible()
  const app = page.frames().find((frame) => new URL(frame.url()).hostname.startsWith(id))
  if (app === undefined) throw new Error(`no frame of ${id}`)
  return { id, app }
}

test('an app cannot act on the platform with the person’s cookie', async ({ site: { origin, browser } }) => {
  const page = await browser.newPage()
  const { id, app } = await launched(page, origin)

  const target = `${origin}/api/v1/sessions/${id}`
  expect(await ask(page, target), 'control: the platform’s own page reads it').toBe(200)
  expect(await ask(app, target), 'reading').toBe('refused')
  expect(await ask(app, target, { method: 'DELETE' }), 'deleting').toBe('refused')
  const form = { method: 'POST', mode: 'no-cors', headers: { 'content-type': 'text/plain' }, body: '{"state":"terminated"}' } as const
  await ask(app, `${target}/restart`, form)
  await ask(app, `${origin}/api/v1/auth/logout`, form)
  expect(await ask(page, target), 'still signed in, and the session still there').toBe(200)

  const feed = `${origin.replace('https', 'wss')}/api/v1/ws/events?topics=sessions`
  expect(await socketOpens(page, feed), 'control: the platform’s own page opens the feed').toBe(true)
  expect(await socketOpens(app, feed), 'the feed from the app').toBe(false)
})

test('a cookie that an app plants on the parent domain changes nothing', async ({ site: { origin, browser } }) => {
  const page = await browser.newPage()
  const { app } = await launched(page, origin)
  const before = await browser.cookies(origin)
  const own = before.find((cookie) => /streamspace_session/.test(cookie.name))
  expect(own?.secure).toBe(true)
  expect(own?.httpOnly).toBe(true)
  const name = own?.name ?? ''

  await app.evaluate((cookie) => {
    for (const one of [cookie, 'streamspace_session', 'harmless']) {
      document.cookie = `${one}=planted; Domain=platform.test; Path=/; Secure; SameSite=None`
    }
  }, name)
  const after = await browser.cookies(origin)
  expect(after.some((cookie) => cookie.name === 'harmless'), 'control: an app does plant cookies on the parent').toBe(true)
  expect(after.filter((cookie) => cookie.name === name).map((cookie) => cookie.value)).toEqual([own?.value])

  expect(await ask(page, `${origin}/api/v1/users/me`)).toBe(200)
})

test('an app cannot open another session’s terminal', async ({ site: { origin, browser } }) => {
  const page = await browser.newPage()
  const terminal = await launched(page, origin, 'terminal', '@terminal')
  const shell = `${new URL(terminal.app.url()).origin.replace('https', 'wss')}/shell?columns=80&rows=24`
  expect(await socketOpens(terminal.app, shell), 'control: its own page').toBe(true)
  const attacker = await launched(await browser.newPage(), origin)
  expect(await socketOpens(attacker.app, shell)).toBe(false)
})

test('an app cannot reach another session’s app', async ({ site: { origin, browser } }) => {
  const page = await browser.newPage()
  const victim = await launched(page, origin)
  const victimOrigin = new URL(victim.app.url()).origin
  expect(await ask(victim.app, `${victimOrigin}/`), 'control: its own page').toBe(200)

  const other = await browser.newPage()
  const attacker = await launched(other, origin)
  expect(await ask(attacker.app, `${victimOrigin}/`)).toBe('refused')
  const answers: number[] = []
  other.on('response', (response) => {
    if (response.url().startsWith(victimOrigin)) answers.push(response.status())
  })
  await ask(attacker.app, `${victimOrigin}/`, { mode: 'no-cors' })
  expect(answers, 'not even a blind request arrives').toEqual([403])

  await attacker.app.evaluate(() => {
    document.cookie = '__Host-app=planted; Domain=apps.platform.test; Path=/; Secure; SameSite=None'
  })
  expect(await ask(victim.app, `${victimOrigin}/`), 'the planted cookie does not take the place of its own').toBe(200)
})

/** Leaves nothing running: sessions outlive the server. */
async function deleteSessions(page: Page, origin: string): Promise<void> {
  await page.goto(origin)
  const left = () =>
    page.evaluate(async () => {
      const list = (await (await fetch('/api/v1/sessions')).json()) as { items: { metadata: { name: string } }[] }
      for (const { metadata } of list.items) await fetch(`/api/v1/sessions/${metadata.name}`, { method: 'DELETE' })
      return list.items.length
    })
  await expect.poll(left, { timeout: 60_000 }).toBe(0)
}
