import type { Activity, Job, Node, NodeStats, Session, SharedLevels, ShareLevel, Template } from '~/api/types'

export interface LogLine {
  time: string
  stream: 'stdout' | 'stderr' | 'system'
  text: string
}

/** Every frame names its topic; `cursor` is there on those that can be resumed. */
interface Frame {
  topic?: string
  cursor?: string
  time?: string
}

export type SessionDelta = Frame & {
  type: 'session.created' | 'session.updated' | 'session.deleted'
  session: Session
  /** How far somebody else's session is shared with the reader. */
  shared?: ShareLevel
}
export type TemplateDelta = Frame & {
  type: 'template.created' | 'template.updated' | 'template.deleted'
  template: Template
}
export type Snapshot = Frame & { type: 'snapshot'; resumed?: boolean; items: unknown[]; metrics?: NodeStats | null; shared?: SharedLevels }
export type ActivityMessage = Frame & { type: 'session.activity'; activity: Activity }
export type WarningMessage = Frame & {
  type: 'session.warning'
  session: string
  reason: 'IdleStop' | 'MaxDuration' | 'BudgetSpent' | 'Drain'
  message: string
  stopsAt?: string
}
export type JobDelta = Frame & { type: 'job.created' | 'job.updated' | 'job.deleted'; job: Job }
export type NodeDelta = Frame & { type: 'node.updated'; node: Node }
export type NodeGone = Frame & { type: 'node.deleted'; node: { name: string } }
export type ClusterMetrics = Frame & { type: 'cluster.metrics'; metrics: NodeStats }
export type LogLines = Frame & { type: 'log.lines'; lines: LogLine[]; dropped?: number }
export type LogEnd = Frame & { type: 'log.end' }
export type ErrorMessage = Frame & { type: 'error'; status?: number; code?: string; title?: string; detail?: string }

export type Message =
  | Snapshot
  | SessionDelta
  | TemplateDelta
  | ActivityMessage
  | WarningMessage
  | JobDelta
  | NodeDelta
  | NodeGone
  | ClusterMetrics
  | LogLines
  | LogEnd
  | ErrorMessage

/** A frame as an object, or nothing where it is not one: a newer server may send what this page does not know. */
export function parseMessage(text: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && 'type' in value) return value as Message
  } catch {
    // Not JSON: not for us.
  }
  return undefined
}
