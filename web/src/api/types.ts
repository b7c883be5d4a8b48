/**
 * The shapes the server answers with. Everything else in the page names its types from here, so that the source of
 * the shapes can change in one file.
 */

export type Phase =
  | 'Pending'
  | 'Starting'
  | 'Running'
  | 'Hibernating'
  | 'Hibernated'
  | 'Terminating'
  | 'Terminated'
  | 'Failed'

export type DesiredState = 'running' | 'hibernated' | 'terminated'

export interface ObjectMeta {
  name: string
  uid?: string
  creationTimestamp?: string
  /** A decimal number that grows with every change of the kind. */
  resourceVersion?: string
  generation?: number
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}

export interface Condition {
  type: string
  status: 'True' | 'False' | 'Unknown'
  reason?: string
  message?: string
  lastTransitionTime?: string
}

/** Kubernetes quantities: `500m`, `2`, `4Gi`. */
export interface Resources {
  cpu?: string
  memory?: string
  gpu?: string
}

export type DoctorAction = 'retry' | 'changeSize' | 'stopOther' | 'askAdmin' | 'openLogs'

export interface Doctor {
  reason: string
  message: string
  remedy?: string
  action?: DoctorAction
  since?: string
}

export interface Idle {
  /** Since when nobody has done anything; null while someone works. */
  since?: string | null
  /** A sentence that names what counts as idle or as activity. */
  cause?: string | null
  /** When the session will be stopped; null when it will not. */
  stopsAt?: string | null
}

export interface SessionSpec {
  user: string
  template: string
  state?: DesiredState
  resources?: Resources
  displayName?: string
  persistentHome?: boolean
  idleTimeout?: string
  maxSessionDuration?: string
  parameters?: Record<string, unknown>
  tags?: string[]
}

export interface SessionStatus {
  phase?: Phase
  observedGeneration?: number
  conditions?: Condition[]
  url?: string
  workload?: { kind?: string; name?: string; node?: string; startedAt?: string }
  connections?: number
  lastActivity?: string
  idle?: Idle
  doctor?: Doctor
}

export interface Session {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: SessionSpec
  status?: SessionStatus
}

export interface TemplateSpec {
  displayName: string
  description?: string
  category?: string
  icon?: string
  baseImage?: string
  defaultResources?: Resources
  ports?: { name?: string; containerPort: number; protocol?: string }[]
  home?: 'shared' | 'own'
  vnc?: { enabled?: boolean; port?: number; protocol?: 'rfb' | 'websocket' | 'kasmvnc' }
  webapp?: { enabled?: boolean; port?: number; path?: string; healthCheck?: string }
  capabilities?: string[]
  tags?: string[]
  parameters?: JsonSchema
  local?: { command?: string[]; args?: string[]; requires?: { program: string; install: string }[] }
}

export interface Template {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: TemplateSpec
  status?: { valid?: boolean; message?: string; conditions?: Condition[]; revision?: string; instances?: number }
}

/** The part of JSON Schema that a launch form is made of. */
export interface JsonSchema {
  type?: string | string[]
  title?: string
  description?: string
  default?: unknown
  enum?: unknown[]
  properties?: Record<string, JsonSchema>
  required?: string[]
  items?: JsonSchema
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
  format?: string
}

export interface List<Item> {
  kind: string
  page: number
  size: number
  total: number
  items: Item[]
}

export interface Me {
  name: string
  displayName?: string
  email?: string
  roles: string[]
  permissions: string[]
}

export interface SystemInfo {
  version: string
  engine: 'local' | 'kubernetes'
  authMode: string
  signedIn: boolean
  appsDomain: string
  limits?: { idleTimeout?: Limit; maxSessionDuration?: Limit }
}

/** Durations as Kubernetes writes them; a ceiling of `0s` or none means that there is no ceiling. */
export interface Limit {
  default?: string
  ceiling?: string
}

export interface User {
  name: string
  displayName?: string
  email?: string
  roles: string[]
  disabled: boolean
  createdAt?: string
  lastSignInAt?: string | null
}

export interface SignInLink {
  url: string
  expiresAt: string
}

export interface ApiToken {
  id: string
  name: string
  scopes?: string[]
  createdAt?: string
  expiresAt?: string | null
  lastUsedAt?: string | null
  /** Only in the answer that makes the token. */
  token?: string
}

export interface AuditEntry {
  id: string | number
  time: string
  actor?: string
  action: string
  target?: string
  result?: string
  requestId?: string
  address?: string
  before?: unknown
  after?: unknown
}

export interface Usage {
  cpuMillicores: number
  memoryBytes: number
  /** 0 where there is no bound. */
  memoryLimitBytes?: number
}

export interface Activity {
  session: string
  connections: number
  lastActivity?: string | null
  idle: Idle
  usage?: Usage | null
}

export interface Connection {
  connectionId: string
  url: string
  state?: string
  ready?: boolean
  expiresAt?: string
}

export interface OpenConnection {
  id: string
  user: string
  clientAddress?: string
  userAgent?: string
  connectedAt: string
  lastHeartbeat?: string
}

export interface SessionEvent {
  type: string
  reason: string
  message: string
  count?: number
  firstTimestamp?: string
  lastTimestamp?: string
}

export interface Lifecycle {
  createdAt?: string
  lastActivity?: string | null
  events: { type: string; time: string; message?: string; details?: unknown; eventType?: string }[]
  eventCounts?: Record<string, number>
  phaseDurations?: Record<string, unknown>
}

export interface NewSession {
  template: string
  displayName?: string
  resources?: Resources
  persistentHome?: boolean
  idleTimeout?: string
  parameters?: Record<string, unknown>
}

export interface SessionPatch {
  state?: DesiredState
  resources?: Resources
  idleTimeout?: string
  displayName?: string
  tags?: string[]
}

/** RFC 9457, with a stable `code`, and one entry per field for a request that failed validation. */
export interface ProblemBody {
  type?: string
  title?: string
  status?: number
  detail?: string
  instance?: string
  code?: string
  requestId?: string
  errors?: { field?: string; level?: string; message: string }[]
}
