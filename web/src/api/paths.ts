/**
 * The paths of the API: as `openapi.json` describes them (`npm run gen`), but for those whose answers the document
 * leaves open; see `types.ts`.
 */
import type { paths as Described } from './schema'
import type * as T from './types'

interface Json<Body> {
  content: { 'application/json': Body }
}
interface Answered<Answer> {
  responses: { 200: Json<Answer>; '4XX': { content: { 'application/problem+json': T.ProblemBody } } }
}
interface Header {
  'Idempotency-Key'?: string
}
interface Paging {
  page?: number
  pageSize?: number
  sort?: string
  search?: string
}

interface Read<Answer, Query = never> extends Answered<Answer> {
  parameters: { query?: Query; path?: never; header?: never; cookie?: never }
  requestBody?: never
}
interface OfOne<Answer> extends Answered<Answer> {
  parameters: { query?: never; path: { id: string }; header?: Header; cookie?: never }
  requestBody?: never
}
interface Sent<Body, Answer> extends Answered<Answer> {
  parameters: { query?: never; path?: never; header?: Header; cookie?: never }
  requestBody: Json<Body>
}
interface SentToOne<Body, Answer> extends Answered<Answer> {
  parameters: { query?: never; path: { id: string }; header?: Header; cookie?: never }
  requestBody: Json<Body>
}

interface LeftOpen {
  '/api/v1/system': { get: Read<T.SystemInfo> }
  '/api/v1/activity': { get: Read<T.List<T.Activity>, Paging> }
  '/api/v1/templates': { get: Read<T.List<T.Template>, Paging> }
  '/api/v1/templates/{id}': { get: OfOne<T.Template> }
  '/api/v1/sessions': { get: Read<T.List<T.Session>, Paging>; post: Sent<T.NewSession, T.Session> }
  '/api/v1/sessions/{id}': {
    get: OfOne<T.Session>
    patch: SentToOne<T.SessionPatch, T.Session>
    delete: OfOne<unknown>
  }
  '/api/v1/sessions/{id}/restart': { post: OfOne<T.Session> }
  '/api/v1/sessions/{id}/snooze': { post: SentToOne<{ for: string }, T.Activity> }
  '/api/v1/sessions/{id}/lifecycle': { get: OfOne<T.Lifecycle> }
  '/api/v1/sessions/{id}/events': { get: OfOne<{ kind: string; items: T.SessionEvent[] }> }
}

export type paths = Omit<Described, keyof LeftOpen> & LeftOpen
