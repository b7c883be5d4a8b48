// A Keycloak of the story's own, with data in memory: a realm, a client, groups and people, changed as its
// administrator changes them.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { freePort } from './server.ts'

/** Longest start: a Java program on a small machine. */
const START_WITHIN_MS = 180_000
const STOP_WITHIN_MS = 20_000

const ADMIN = { username: 'root', password: 'root of the realm' }
export const CLIENT = { id: 'streamspace', secret: 'the secret of the client' }
const REALM = 'main'

export interface Somebody {
  username: string
  password: string
  firstName: string
  lastName: string
  email: string
  groups: string[]
}

interface Named {
  id: string
  name: string
}

export class Keycloak {
  readonly issuer: string
  private readonly output: string[] = []

  private constructor(
    private readonly folder: string,
    private readonly process: ChildProcess,
    private readonly origin: string,
  ) {
    this.issuer = `${origin}/realms/${REALM}`
    for (const stream of [process.stdout, process.stderr]) stream?.on('data', (data) => this.output.push(String(data)))
  }

  /** Starts one whose client is the server at `origin`. */
  static async start(origin: string): Promise<Keycloak> {
    const program = process.env['KEYCLOAK']
    if (program === undefined) throw new Error('KEYCLOAK has to name bin/kc.sh: use `make test-sso`')
    const installed = dirname(dirname(program))
    const folder = await mkdtemp(join(tmpdir(), 'streamspace-keycloak-'))
    // It writes below its own folder, found by where its program lies.
    await cp(join(installed, 'bin'), join(folder, 'bin'), { recursive: true })
    for (const part of ['lib', 'conf', 'providers', 'themes']) await symlink(join(installed, part), join(folder, part))
    const port = await freePort()
    const where = ['--http-enabled=true', '--http-host=127.0.0.1', `--http-port=${port}`, '--hostname-strict=false']
    const child = spawn(join(folder, 'bin/kc.sh'), ['start', '--optimized', ...where, '--cache=local'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        KC_BOOTSTRAP_ADMIN_USERNAME: ADMIN.username,
        KC_BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
      },
    })
    const keycloak = new Keycloak(folder, child, `http://localhost:${port}`)
    try {
      await keycloak.answers()
      await keycloak.makeRealm(origin)
    } catch (failure) {
      await keycloak.stop()
      throw new Error(`${String(failure)}\n${keycloak.output.join('')}`)
    }
    return keycloak
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null) {
      const exit = once(this.process, 'exit')
      this.process.kill('SIGTERM')
      const late = setTimeout(() => this.process.kill('SIGKILL'), STOP_WITHIN_MS)
      await exit
      clearTimeout(late)
    }
    await rm(this.folder, { recursive: true, force: true })
  }

  async add(somebody: Somebody): Promise<void> {
    const { password, groups, ...rest } = somebody
    await this.call('POST', '/users', {
      ...rest,
      enabled: true,
      emailVerified: true,
      credentials: [{ type: 'password', value: password, temporary: false }],
      groups: groups.map((group) => `/${group}`),
    })
  }

  /** Takes somebody out of a group. */
  async removeFrom(group: string, username: string): Promise<void> {
    const [user] = await this.call<{ id: string }[]>('GET', `/users?exact=true&username=${username}`)
    const found = (await this.call<Named[]>('GET', '/groups')).find(({ name }) => name === group)
    await this.call('DELETE', `/users/${user?.id ?? ''}/groups/${found?.id ?? ''}`)
  }

  /** Makes a new key, with which everything is signed from now on. */
  async rollKey(): Promise<void> {
    const { id } = await this.call<{ id: string }>('GET', '')
    await this.call('POST', '/components', {
      name: 'newer',
      parentId: id,
      providerId: 'rsa-generated',
      providerType: 'org.keycloak.keys.KeyProvider',
      config: { priority: ['1000'], enabled: ['true'], active: ['true'], keySize: ['2048'], algorithm: ['RS256'] },
    })
  }

  /** Where it says what it is, for SAML. */
  get samlMetadata(): string {
    return `${this.issuer}/protocol/saml/descriptor`
  }

  /** Takes the server at `origin` for a SAML client, by what its metadata says; it then encrypts what it says to it. */
  async addSamlClient(origin: string): Promise<void> {
    const metadata = await (await fetch(`${origin}/api/v1/auth/saml/metadata`)).text()
    const client = await this.send<object>('POST', `/admin/realms/${REALM}/client-description-converter`, metadata)
    const property = (name: string) => ({
      name,
      protocol: 'saml',
      protocolMapper: 'saml-user-property-mapper',
      config: { 'user.attribute': name, 'attribute.name': name, 'attribute.nameformat': 'Basic' },
    })
    const groups = {
      name: 'groups',
      protocol: 'saml',
      protocolMapper: 'saml-group-membership-mapper',
      config: { 'attribute.name': 'groups', 'attribute.nameformat': 'Basic', 'full.path': 'false', single: 'true' },
    }
    const protocolMappers = [...['username', 'email', 'firstName', 'lastName'].map(property), groups]
    // It tells us itself when somebody signs out there, in place of their browser.
    await this.call('POST', '/clients', { ...client, enabled: true, frontchannelLogout: false, protocolMappers })
  }

  private async answers(): Promise<void> {
    const deadline = Date.now() + START_WITHIN_MS
    while (Date.now() < deadline) {
      if (this.process.exitCode !== null) throw new Error('Keycloak ended')
      const answer = await fetch(`${this.origin}/realms/master`).catch(() => undefined)
      if (answer?.ok) return
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    throw new Error(`Keycloak did not answer within ${START_WITHIN_MS} ms`)
  }

  private async makeRealm(origin: string): Promise<void> {
    await this.send('POST', '/admin/realms', {
      realm: REALM,
      enabled: true,
      groups: [{ name: 'engineering' }, { name: 'operators' }],
      clients: [
        {
          clientId: CLIENT.id,
          secret: CLIENT.secret,
          redirectUris: [`${origin}/api/v1/auth/oidc/callback`],
          attributes: {
            'pkce.code.challenge.method': 'S256',
            'post.logout.redirect.uris': `${origin}/sign-in`,
            // It tells us itself when somebody signs out there, in place of their browser.
            'backchannel.logout.url': `${origin}/api/v1/auth/oidc/back-channel-logout`,
            'backchannel.logout.session.required': 'true',
          },
          protocolMappers: [
            {
              name: 'groups',
              protocol: 'openid-connect',
              protocolMapper: 'oidc-group-membership-mapper',
              config: { 'claim.name': 'groups', 'full.path': 'false', 'id.token.claim': 'true' },
            },
          ],
        },
      ],
    })
  }

  private call<T = void>(method: string, path: string, body?: object): Promise<T> {
    return this.send<T>(method, `/admin/realms/${REALM}${path}`, body)
  }

  private async send<T = void>(method: string, path: string, body?: object | string): Promise<T> {
    // A token of its own for each call: it is good for a minute.
    const grant = { grant_type: 'password', client_id: 'admin-cli', ...ADMIN }
    const signedIn = await fetch(`${this.origin}/realms/master/protocol/openid-connect/token`, {
      method: 'POST',
      body: new URLSearchParams(grant),
    })
    const { access_token: token } = (await signedIn.json()) as { access_token: string }
    const answer = await fetch(`${this.origin}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }
}
