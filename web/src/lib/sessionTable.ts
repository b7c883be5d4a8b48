import type { Activity, Me, Phase, Session, ShareLevel, Template } from '~/api/types'
import type { ActivityMap } from '~/live/cache'
import { mayDelete, sharedLevel } from './permissions'
import { isOver, phaseOf, titleOf } from './session'

/** What the table shows of a session, worked out once. */
export interface Row {
  name: string
  title: string
  phase: Phase
  session: Session
  template: Template | undefined
  activity: Activity | undefined
  /** Whether the person may stop and delete it. */
  changeable: boolean
  /** How far it is shared with the person, who does not own it. */
  shared: ShareLevel | undefined
}

export const SORT_KEYS = ['name', 'state', 'template', 'user', 'idle', 'usage', 'created'] as const
export type SortKey = (typeof SORT_KEYS)[number]
/** A column, with a minus in front for descending. */
export type Sort = SortKey | `-${SortKey}`

export interface SessionFilter {
  search?: string
  /** `undefined` is every state but ended ones. */
  phase?: Phase
  template?: string
  user?: string
}

export function rowsOf(
  sessions: readonly Session[],
  templates: ReadonlyMap<string, Template>,
  activity: ActivityMap | undefined,
  me: Me,
): Row[] {
  return sessions.map((session) => {
    const template = templates.get(session.spec.template)
    const { name } = session.metadata
    const title = titleOf(session, template)
    const shared = sharedLevel(me, session)
    const changeable = mayDelete(me, session)
    return { name, title, phase: phaseOf(session), session, template, activity: activity?.[name], changeable, shared }
  })
}

export function matches(row: Row, { search = '', phase, template, user }: SessionFilter): boolean {
  if (phase === undefined ? isOver(row.phase) && row.phase !== 'Terminating' : row.phase !== phase) return false
  if (template !== undefined && row.session.spec.template !== template) return false
  if (user !== undefined && row.session.spec.user !== user) return false
  const { spec } = row.session
  const text = [row.title, row.name, spec.template, spec.user, ...(spec.tags ?? [])].join(' ').toLocaleLowerCase()
  return search
    .toLocaleLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}

const ORDER: readonly Phase[] = [
  'Failed', 'Pending', 'Starting', 'Running', 'Hibernating', 'Hibernated', 'Terminating', 'Terminated',
]

function valueOf({ title, phase, session, activity }: Row, key: SortKey): string | number {
  switch (key) {
    case 'name':
      return title.toLocaleLowerCase()
    case 'state':
      return ORDER.indexOf(phase)
    case 'template':
      return session.spec.template
    case 'user':
      return session.spec.user
    case 'idle':
      return activity?.idle.stopsAt ?? '9'
    case 'usage':
      return activity?.usage?.cpuMillicores ?? -1
    case 'created':
      return session.metadata.creationTimestamp
  }
}

export function sorted(rows: readonly Row[], sort: Sort): Row[] {
  const descending = sort.startsWith('-')
  const key = (descending ? sort.slice(1) : sort) as SortKey
  return rows.toSorted((a, b) => {
    const [left, right] = [valueOf(a, key), valueOf(b, key)]
    const order = left < right ? -1 : left > right ? 1 : 0
    return (descending ? -order : order) || a.name.localeCompare(b.name)
  })
}

/** `next` in the order of `shown`, new ones last: for as long as the pointer is on the table nothing may move. */
export function inOrderOf(shown: readonly string[], next: readonly Row[]): Row[] {
  const at = new Map(shown.map((name, index) => [name, index]))
  const place = ({ name }: Row) => at.get(name) ?? shown.length
  return next.toSorted((a, b) => place(a) - place(b))
}
