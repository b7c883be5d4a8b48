import { strings } from '~/strings'
import type { ProblemBody } from './types'

/** Why a call failed: the server's problem object, or what the browser knows when there was no answer. */
export class Problem extends Error {
  readonly status: number
  readonly code: string
  readonly title: string
  readonly requestId: string | undefined
  readonly fields: { field: string; message: string }[]
  /** Seconds after which the server asked to be tried again. */
  readonly retryAfter: number | undefined

  constructor(body: ProblemBody, status = body.status ?? 0, retryAfter?: number) {
    const title = body.title ?? strings.problem.unknown
    super(body.detail ?? title)
    this.name = 'Problem'
    this.status = status
    this.title = title
    this.code = body.code ?? (status === 0 ? 'no-answer' : `http-${status}`)
    this.requestId = body.requestId ?? undefined
    this.retryAfter = retryAfter
    this.fields = (body.errors ?? []).map(({ field, message }) => ({ field: field ?? '', message }))
  }

  /** Whether the same call may succeed in a moment: no answer at all, or one that speaks of now. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || (this.status >= 502 && this.status <= 504)
  }

  /** What the server says about a field of the form, by its name or the end of its path (`spec.displayName`). */
  about(field: string): string | undefined {
    return this.fields.find((entry) => entry.field === field || entry.field.endsWith(`.${field}`))?.message
  }
}

export function problemOfAnswer(body: unknown, response: Response): Problem {
  const retryAfter = Number(response.headers.get('retry-after')) || undefined
  const known = typeof body === 'object' && body !== null
  return new Problem(known ? body : { title: strings.problem.status(response.status) }, response.status, retryAfter)
}

export function problemOfFailure(failure: unknown): Problem {
  if (failure instanceof Problem) return failure
  if (failure instanceof DOMException && failure.name === 'TimeoutError') {
    return new Problem({ title: strings.problem.timeout, detail: strings.problem.timeoutDetail })
  }
  return new Problem({ title: strings.problem.noAnswer, detail: strings.problem.noAnswerDetail })
}
