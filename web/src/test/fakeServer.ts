import { act } from '@testing-library/react'
import { vi } from 'vitest'
import type { Me, Session, Template } from '~/api/types'
import { FakeSocket } from './fakeSocket'
import { me as ada } from './fixtures'

interface Call {
  method: string
  path: string
  query: URLSearchParams
  body: unknown
  headers: Headers
}

type Handler = (call: Call) => Response | Promise<Response>

export const json = (body: unknown, status = 200) => Response.json(body, { status })
export const nothing = () => new Response(null, { status: 204 })
export const problem = (status: number, title: string, more: object = {}) =>
  new Response(JSON.stringify({ type: '/problems/test', title, status, detail: `${title}.`, code: 'test', ...more }), {
    status,
    headers: { 'content-type': 'application/problem+json' },
  })
export const listOf = (items: readonly unknown[]) =>
  json({ kind: 'List', page: 1, size: items.length, total: items.length, items })

/** What the server says of itself. */
export const system = {
  version: '1',
  engine: 'local',
  authMode: 'hybrid',
  signIn: { password: true, registration: false, providers: [] },
  signedIn: true,
  appsDomain: 'localhost',
  appsShareOrigin: false,
  limits: { idleTimeout: { default: '30m', ceiling: '8h' } },
}

interface World {
  me?: Me | null
  sessions?: readonly Session[]
  templates?: readonly Template[]
}

/** Answers the page's calls from `world` and from handlers by `METHOD /path`, and its socket; keeps what was asked. */
export function fakeServer({ me = ada, sessions = [], templates = [] }: World = {}, handlers: Record<string, Handler> = {}) {
  const calls: Call[] = []
  const all: Record<string, Handler> = {
    'GET /users/me': () => (me ? json(me) : problem(401, 'Not signed in')),
    'GET /system': () => json(system),
    'GET /users/me/shares': () => listOf([]),
    'GET /ready': () => json({ status: 'ok' }),
    'GET /activity': () => json({ kind: 'ActivityList', items: [] }),
    ...Object.fromEntries(sessions.map((session) => [`GET /sessions/${session.metadata.name}`, () => json(session)])),
    ...Object.fromEntries(templates.map((template) => [`GET /templates/${template.metadata.name}`, () => json(template)])),
    ...handlers,
  }
  const answer = async (input: Request | string): Promise<Response> => {
    const request = typeof input === 'string' ? new Request(new URL(input, location.href)) : input
    const { pathname, searchParams: query } = new URL(request.url)
    const path = pathname.replace('/api/v1', '')
    const text = await request.text()
    const call: Call = {
      method: request.method,
      path,
      query,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
      headers: request.headers,
    }
    calls.push(call)
    return all[`${call.method} ${path}`]?.(call) ?? problem(404, 'Not found')
  }
  vi.stubGlobal('fetch', answer)
  FakeSocket.greet = (socket) =>
    act(() => {
      socket.open()
      socket.frame({ type: 'snapshot', topic: 'sessions', cursor: 'sessions:1', items: sessions })
      socket.frame({ type: 'snapshot', topic: 'templates', cursor: 'templates:1', items: templates })
    })
  return {
    calls,
    /** From now on there is no such thing. */
    forget: (what: string) => {
      all[what] = () => problem(404, 'Not found')
    },
    /** The calls of `METHOD /path`. */
    asked: (what: string) => calls.filter(({ method, path }) => `${method} ${path}` === what),
  }
}
