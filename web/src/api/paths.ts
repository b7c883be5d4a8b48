/**
 * The paths of the API in the form that `openapi-typescript` prints (`npm run gen`), so that the client below needs
 * no change when the generated file takes this one's place.
 */
import type * as T from './types'

type Json<Body> = { content: { 'application/json': Body } }
type Params<Query, Path> = { query?: Query; path: Path; header?: { 'Idempotency-Key'?: string }; cookie?: never }
type Op<Answer, Body = never, Query = never, Path = { [name: string]: never }> = {
  parameters: Path extends Record<string, never> ? Omit<Params<Query, Path>, 'path'> : Params<Query, Path>
  responses: {
    200: Json<Answer>
    default: { content: { 'application/problem+json': T.ProblemBody } }
  }
} & ([Body] extends [never] ? { requestBody?: never } : { requestBody: Json<Body> })

type Text<Query, Path> = {
  parameters: Params<Query, Path>
  requestBody?: never
  responses: { 200: { content: { 'text/plain': string } } }
}

type Id = { id: string }
type Name = { name: string }
type Paging = { page?: number; pageSize?: number; sort?: string; search?: string }

export interface paths {
  '/api/v1/system': { get: Op<T.SystemInfo> }
  '/api/v1/users/me': { get: Op<T.Me> }
  '/api/v1/auth/login': { post: Op<{ user: T.Me }, { username: string; password: string }> }
  '/api/v1/auth/link': { post: Op<{ user: T.Me }, { token: string; password?: string }> }
  '/api/v1/auth/logout': { post: Op<undefined> }
  '/api/v1/auth/password': { post: Op<undefined, { current?: string; new: string }> }
  '/api/v1/users': {
    get: Op<T.List<T.User>, never, Paging>
    post: Op<T.User, { name: string; displayName?: string; roles: string[] }>
  }
  '/api/v1/users/{name}': {
    patch: Op<T.User, { displayName?: string; roles?: string[]; disabled?: boolean }, never, Name>
    delete: Op<undefined, never, never, Name>
  }
  '/api/v1/users/{name}/sign-in-link': { post: Op<T.SignInLink, never, never, Name> }
  '/api/v1/tokens': {
    get: Op<T.List<T.ApiToken>>
    post: Op<T.ApiToken, { name: string; expiresIn?: string }>
  }
  '/api/v1/tokens/{id}': { delete: Op<undefined, never, never, Id> }
  '/api/v1/audit': { get: Op<T.List<T.AuditEntry>, never, Paging> }
  '/api/v1/activity': { get: Op<T.List<T.Activity>, never, Paging> }
  '/api/v1/templates': { get: Op<T.List<T.Template>, never, Paging> }
  '/api/v1/templates/{id}': { get: Op<T.Template, never, never, Id> }
  '/api/v1/sessions': { get: Op<T.List<T.Session>, never, Paging>; post: Op<T.Session, T.NewSession> }
  '/api/v1/sessions/{id}': {
    get: Op<T.Session, never, never, Id>
    patch: Op<T.Session, T.SessionPatch, never, Id>
    delete: Op<unknown, never, never, Id>
  }
  '/api/v1/sessions/{id}/connect': { post: Op<T.Connection, never, never, Id> }
  '/api/v1/sessions/{id}/heartbeat': {
    post: Op<{ connectionId: string; expiresAt: string }, { connectionId: string; active: boolean }, never, Id>
  }
  '/api/v1/sessions/{id}/disconnect': { post: Op<undefined, { connectionId: string }, never, Id> }
  '/api/v1/sessions/{id}/restart': { post: Op<T.Session, never, never, Id> }
  '/api/v1/sessions/{id}/snooze': { post: Op<T.Activity, { for: string }, never, Id> }
  '/api/v1/sessions/{id}/connections': { get: Op<{ kind: string; items: T.OpenConnection[] }, never, never, Id> }
  '/api/v1/sessions/{id}/events': { get: Op<{ kind: string; items: T.SessionEvent[] }, never, never, Id> }
  '/api/v1/sessions/{id}/lifecycle': { get: Op<T.Lifecycle, never, never, Id> }
  '/api/v1/sessions/{id}/logs': { get: Text<{ tail?: number; follow?: boolean; timestamps?: boolean }, Id> }
}
