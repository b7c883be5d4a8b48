/** The shapes the server answers with, as `openapi.json` describes them (`npm run gen`), by the names the page uses. */
import type { components } from './schema'

type Schemas = components['schemas']

export type Session = Schemas['Session']
export type SessionSpec = Schemas['SessionSpec']
export type SessionStatus = Schemas['SessionStatus']
export type Template = Schemas['Template']
export type TemplateSpec = Schemas['TemplateSpec']
export type ObjectMeta = Schemas['io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta']
export type Condition = Schemas['io.k8s.apimachinery.pkg.apis.meta.v1.Condition']
export type Phase = Schemas['Phase']
export type DesiredState = Schemas['DesiredState']
export type DoctorAction = Schemas['Remedy']
export type Doctor = Schemas['Verdict']
/** Kubernetes quantities: `500m`, `2`, `4Gi`. */
export type Resources = Schemas['Resources']
/** What a session is used for, by the latest figures. */
export type Activity = Schemas['SessionActivity']
export type Idle = Schemas['Idle']
export type Usage = Schemas['Usage']
export type Connection = Schemas['Connection']
export type OpenConnection = Schemas['OpenConnection']
/** How far a session is open to a guest. */
export type ShareLevel = Schemas['ShareLevel']
export type Share = Schemas['Share']
export type Invitation = Schemas['Invitation']
/** Levels of the sessions that others share with oneself, by their names. */
export type SharedLevels = Readonly<Record<string, ShareLevel>>
/** The person who is signed in, and what others share with them. */
export type Me = Schemas['Me'] & { shared?: SharedLevels }
export type Role = Schemas['Role']
export type User = Schemas['User']
export type CreatedUser = Schemas['CreatedUser']
export type Group = Schemas['Group']
export type Project = Schemas['Project']
export type ProjectMember = Schemas['ProjectMember']
export type ProjectRole = Schemas['ProjectRole']
export type UserQuota = Schemas['UserQuota']
export type QuotaView = Schemas['QuotaView']
export type QuotaAmounts = Schemas['QuotaAmounts']
export type SignInProvider = Schemas['Provider']
/** A rule from what an identity provider says to groups and roles. */
export type Configuration = Schemas['Configuration']
export type Overrides = Schemas['Overrides']
export type Settings = Schemas['Settings']
export type Mapping = Schemas['Mapping']
export type NewMapping = Schemas['NewMapping']
export type SsoTest = Schemas['SsoTest']
export type SsoTrial = Schemas['SsoTrial']
export type SignInAnswer = Schemas['SignInAnswer']
export type SignInLink = Schemas['SignInLink']
export type ApiToken = Schemas['ApiToken']
export type AuditEntry = Schemas['AuditEntry']
/** Long work. */
export type Job = Schemas['Job']
export type JobStatus = Schemas['Status']
export type JobPage = Schemas['CountedPage_Job']
export type JobLogLine = Schemas['LogLine']
/** A machine that sessions run on. */
export type Node = Schemas['Node']
export type NodeDetail = Schemas['NodeDetail']
export type NodeStats = Schemas['NodeStats']
export type NodeTaint = Schemas['NodeTaint']
/** How a node is to be emptied. */
export type DrainWish = Omit<Schemas['Drain'], 'dryRun'>
export type DrainPlan = Schemas['DrainPlan']
/** A session in a plan, or in what came of it. */
export type DrainSession = Schemas['DrainSession']
/** A pod likewise. */
export type DrainPod = Schemas['DrainPod']
/** Amounts of what machines have, as Kubernetes writes them. */
export type Amounts = Schemas['Amounts']
export type NewSession = Schemas['NewSession']
export type SessionPatch = Schemas['SessionChange']
export type CatalogTemplate = Schemas['CatalogTemplate']
export type CatalogDetail = Schemas['CatalogDetail']
export type CatalogVersion = Schemas['CatalogVersion']
export type CatalogFacets = Schemas['Facets']
export type VersionDiff = Schemas['Diff']
export type Repository = Schemas['RepositoryView']
export type NewRepository = Schemas['NewRepository']
/** What changes of a repository; null takes a part away. */
export type RepositoryChange = { [Field in keyof NewRepository]?: NewRepository[Field] | null }
export type RepositoryAuth = Schemas['RepositoryAuth']
export type Grant = Schemas['GrantView']
export type NewGrant = Schemas['NewGrant']
export type Sync = Schemas['SyncView']
export type Delivery = Schemas['DeliveryView']
export type WebhookSecret = Schemas['WebhookSecret']
/** Something about a file of a repository that somebody should know of. */
export type ManifestProblem = Schemas['FileProblem']
/** What an intermediary answers in our place may lack any of it. */
export type ProblemBody = Partial<Omit<Schemas['Problem'], 'errors'>> & { errors?: { field?: string; message: string }[] }

/** The part of JSON Schema that a launch form is made of; the document leaves open what templates write there. */
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
