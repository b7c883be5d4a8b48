import createClient from 'openapi-fetch'
import { problemOfAnswer, problemOfFailure } from './problem'
import type { paths } from './schema'

/** Longest wait for an answer. The server gives a request ten seconds itself. */
const TIMEOUT_MS = 15_000
const REVISION = 'Streamspace-Revision'

/** The newest change of each kind that was heard of: a read that carries them never shows an older state. */
const revisions = new Map<string, string>()

/** Takes note of changes that are known of: `sessions=17` of an answer, `sessions:17,templates:3` of the feed. */
export function noteRevisions(text: string | null | undefined): void {
  for (const part of text?.split(',') ?? []) {
    const [, kind, number] = /^\s*(sessions|templates)[=:](\d+)$/.exec(part) ?? []
    if (kind === undefined || number === undefined) continue
    if (BigInt(number) > BigInt(revisions.get(kind) ?? 0)) revisions.set(kind, number)
  }
}

async function send(request: Request): Promise<Response> {
  if (revisions.size > 0 && request.method === 'GET') {
    request.headers.set(REVISION, Array.from(revisions, ([kind, number]) => `${kind}=${number}`).join(','))
  }
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)])
  const response = await fetch(new Request(request, { signal }))
  noteRevisions(response.headers.get(REVISION))
  return response
}

/** The typed client. Call it through {@link answer}, which turns every failure into a `Problem`. */
export const api = createClient<paths>({ baseUrl: location.origin, fetch: send, headers: { Accept: 'application/json' } })

interface Outcome<Data> {
  data?: Data
  error?: unknown
  response: Response
}

/**
 * The body of a successful answer.
 *
 * @throws {Problem} the server's problem object; status 0 when there was no answer
 */
export async function answer<Data>(call: Promise<Outcome<Data>>): Promise<Data> {
  const outcome = await call.catch((failure: unknown) => {
    if (failure instanceof DOMException && failure.name === 'AbortError') throw failure
    throw problemOfFailure(failure)
  })
  if (!outcome.response.ok) throw problemOfAnswer(outcome.error, outcome.response)
  return outcome.data as Data
}

/** A new idempotency key: 128 random bits. `crypto.randomUUID` is missing over plain http, this is not. */
export function idempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
