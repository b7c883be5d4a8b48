// What the stories ask the API directly: to set a scene, and to compare the page with the truth.

import { type APIRequestContext, type APIResponse, expect, request } from '@playwright/test'

export type Phase =
  | 'Pending'
  | 'Starting'
  | 'Running'
  | 'Hibernating'
  | 'Hibernated'
  | 'Terminating'
  | 'Terminated'
  | 'Failed'

export interface Session {
  metadata: { name: string; resourceVersion: string }
  spec: { user: string; template: string; displayName?: string }
  status?: {
    phase?: Phase
    doctor?: { reason: string; message: string; remedy: string }
    conditions?: { type: string; status: string }[]
    idle?: { since?: string; cause?: string; stopsAt?: string }
    workload?: { name: string; startedAt?: string }
  }
}

export interface Activity {
  session: string
  connections: number
  idle: { since: string | null; cause: string; stopsAt: string | null }
}

/** Longest start of any shipped template on a small machine. */
const RUNS_WITHIN_MS = 60_000

export class Api {
  private constructor(private readonly http: APIRequestContext) {}

  /** Signed in through a one-time link. */
  static async byLink(link: string): Promise<Api> {
    const { origin, hash } = new URL(link)
    const http = await request.newContext({ baseURL: origin, extraHTTPHeaders: { origin } })
    const api = new Api(http)
    await api.post('/api/v1/auth/link', { token: new URLSearchParams(hash.slice(1)).get('link') })
    return api
  }

  async get<T>(path: string): Promise<T> {
    return read(await this.http.get(path))
  }

  async post<T>(path: string, body?: object): Promise<T> {
    return read(await this.http.post(path, { data: body ?? {} }))
  }

  async patch<T>(path: string, body: object): Promise<T> {
    return read(await this.http.patch(path, { data: body }))
  }

  async put<T>(path: string, body?: object): Promise<T> {
    return read(await this.http.put(path, { data: body ?? {} }))
  }

  async delete(path: string): Promise<void> {
    await read(await this.http.delete(path))
  }

  /** The status alone, for what is expected to be refused or gone. */
  async statusOf(path: string): Promise<number> {
    return (await this.http.get(path)).status()
  }

  /** A new account's one-time sign-in link. */
  async invite(name: string, roles: string[] = ['user']): Promise<string> {
    await this.post('/api/v1/users', { name, displayName: name, roles })
    const { url } = await this.post<{ url: string }>(`/api/v1/users/${name}/sign-in-link`)
    return url
  }

  async launch(template: string, more: object = {}): Promise<Session> {
    return this.post('/api/v1/sessions', { template, ...more })
  }

  /** Launches and waits until it can be worked in. */
  async running(template: string, more: object = {}): Promise<Session> {
    const session = await this.launch(template, more)
    return this.reaches(session.metadata.name, 'Running')
  }

  async session(name: string): Promise<Session> {
    return this.get(`/api/v1/sessions/${name}`)
  }

  async sessions(): Promise<Session[]> {
    return (await this.get<{ items: Session[] }>('/api/v1/sessions?pageSize=100')).items
  }

  async activity(name: string): Promise<Activity | undefined> {
    const { items } = await this.get<{ items: Activity[] }>('/api/v1/activity')
    return items.find((item) => item.session === name)
  }

  /** Waits for a phase; a session that fails on the way says why. */
  async reaches(name: string, phase: Phase, withinMs = RUNS_WITHIN_MS): Promise<Session> {
    let last: Session | undefined
    await expect
      .poll(
        async () => {
          last = await this.session(name)
          const now = last.status?.phase
          return now === 'Failed' && phase !== 'Failed' ? `Failed: ${JSON.stringify(last.status?.doctor)}` : now
        },
        { timeout: withinMs, message: `${name} becomes ${phase}` },
      )
      .toBe(phase)
    if (last === undefined) throw new Error('unreachable: polled at least once')
    return last
  }

  /** Deletes every session that one can see, and waits until nothing of them is left. */
  async deleteSessions(): Promise<void> {
    for (const { metadata } of await this.sessions()) await this.http.delete(`/api/v1/sessions/${metadata.name}`)
    await expect.poll(async () => (await this.sessions()).length, { timeout: RUNS_WITHIN_MS }).toBe(0)
  }

  async close(): Promise<void> {
    await this.http.dispose()
  }
}

async function read<T>(answer: APIResponse): Promise<T> {
  if (!answer.ok()) throw new Error(`${answer.status()} ${answer.url()}: ${await answer.text()}`)
  return answer.status() === 204 ? (undefined as T) : ((await answer.json()) as T)
}
