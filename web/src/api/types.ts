/**
 * The shapes the server answers with. Everything else in the page names its types from here. They come from
 * `openapi.json` (`npm run gen`); what the document leaves open is said here:
 * the insides of the custom resources, and `Activity`, whose name it gives to another shape.
 */
import type { components } from './schema'

type Schemas = components['schemas']

export type Phase = Schemas['Phase']
export type DesiredState = Schemas['DesiredState']
export type DoctorAction = Schemas['Remedy']
export type Doctor = Schemas['Verdict']
/** Kubernetes quantities: `500m`, `2`, `4Gi`. */
export type Resources = Schemas['Resources']
export type Idle = Schemas['Idle']
export type Lifecycle = Schemas['Lifecycle']
export type Usage = Schemas['Usage']
export type Connection = Schemas['Connection']
export type OpenConnection = Schemas['OpenConnection']
export type Me = Schemas['Me']
export type Role = Schemas['Role']
export type User = Schemas['User']
export type SignInAnswer = Schemas['SignInAnswer']
export type SignInLink = Schemas['SignInLink']
export type ApiToken = Schemas['ApiToken']
export type AuditEntry = Schemas['AuditEntry']
export type NewSession = Omit<Schemas['NewSession'], 'parameters'> & { parameters?: Record<string, unknown> }
export type SessionPatch = Schemas['SessionChange']
/** What an intermediary answers in our place may lack any of it. */
export type ProblemBody = Partial<Omit<Schemas['Problem'], 'errors'>> & { errors?: { field?: string; message: string }[] }

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
  workload?: Schemas['WorkloadStatus']
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
  /** A path of ours or a `data:` URL; others are not loaded. */
  icon?: string
  defaultResources?: Resources
  home?: Schemas['HomeKind']
  vnc?: Partial<Schemas['Vnc']>
  webapp?: Partial<Schemas['Webapp']>
  capabilities?: string[]
  tags?: string[]
  parameters?: JsonSchema
}

export interface Template {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: TemplateSpec
  status?: Partial<Omit<Schemas['TemplateStatus'], 'conditions'>> & { conditions?: Condition[] }
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

/** What a session is used for, by the latest figures. */
export interface Activity {
  session: string
  connections: number
  lastActivity?: string | null
  idle: Idle
  /** Null while nothing has been measured. */
  usage?: Usage | null
}

export interface SessionEvent {
  type: string
  reason: string
  message: string
  count?: number
  firstTimestamp?: string
  lastTimestamp?: string
}

export interface List<Item> {
  kind: string
  page: number
  size: number
  total: number
  items: Item[]
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
