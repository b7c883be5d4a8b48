// What a story begins with: a server of its own for the file, and a signed-in person for the story.

import { type Browser, type BrowserContext, type Page, test as base } from '@playwright/test'
import { Api } from './api.ts'
import { Server, type ServerOptions } from './server.ts'

export { expect } from '@playwright/test'

export interface Person {
  name: string
  api: Api
  /** A window in which the person is signed in and sees the home page. */
  page: Page
  /** Another window of the same browser. */
  window(): Promise<Page>
}

interface StoryFixtures {
  person: Person
  /** Roles of the person. */
  roles: string[]
}

interface FileFixtures {
  /** Set with `test.use` at the top of a file. */
  serverOptions: ServerOptions
  server: Server
  /** The first administrator. */
  admin: Api
}

let people = 0

export const test = base.extend<StoryFixtures, FileFixtures>({
  serverOptions: [{}, { scope: 'worker', option: true }],

  server: [
    async ({ serverOptions }, use) => {
      const server = await Server.start(serverOptions)
      await use(server)
      await server.remove()
    },
    { scope: 'worker', timeout: 90_000 },
  ],

  admin: [
    async ({ server }, use) => {
      if (server.link === undefined) throw new Error(`no sign-in link was printed:\n${server.output.join('\n')}`)
      const admin = await Api.byLink(server.link)
      await use(admin)
      // Sessions outlive the server on purpose, so they go before it.
      await admin.deleteSessions()
      await admin.close()
    },
    { scope: 'worker', timeout: 90_000 },
  ],

  roles: [['user'], { option: true }],

  person: async ({ admin, browser, roles, server }, use, info) => {
    const name = `person${(people += 1)}`
    const context = await browser.newContext()
    const page = await context.newPage()
    await signIn(page, await admin.invite(name, roles))
    const api = await Api.byLink(await link(admin, name))
    await use({ name, api, page, window: () => homeIn(context, server) })
    if (info.status !== info.expectedStatus) {
      await info.attach('server', { body: server.output.join('\n'), contentType: 'text/plain' })
    }
    await context.close()
    await api.deleteSessions()
    await api.close()
  },
})

async function link(admin: Api, name: string): Promise<string> {
  return (await admin.post<{ url: string }>(`/api/v1/users/${name}/sign-in-link`)).url
}

async function homeIn(context: BrowserContext, server: Server): Promise<Page> {
  const page = await context.newPage()
  await page.goto(server.origin)
  return page
}

/** Opens a one-time link as a person does, and leaves the password for later. */
export async function signIn(page: Page, signInLink: string): Promise<void> {
  await page.goto(signInLink)
  await page.getByRole('button', { name: 'Later' }).click()
  await page.getByRole('heading', { name: 'Home', exact: true }).waitFor()
}

/** A second way in for the test itself, asked for by the administrator who is signed in. */
export async function newLink(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const me = (await (await fetch('/api/v1/users/me')).json()) as { name: string }
    const made = await fetch(`/api/v1/users/${me.name}/sign-in-link`, { method: 'POST' })
    return ((await made.json()) as { url: string }).url
  })
}

/** A browser context of somebody else, who has nothing to do with the person of the story. */
export async function stranger(browser: Browser): Promise<Page> {
  return (await browser.newContext()).newPage()
}
