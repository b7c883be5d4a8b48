import type { QueryClient } from '@tanstack/react-query'
import { keys } from '~/api/keys'
import type { Activity, Session, Template } from '~/api/types'
import { supersedes, upsert, without } from './collection'
import type { Message, Snapshot } from './messages'

type Named = Session | Template

interface Kind {
  list: readonly unknown[]
  one: (name: string) => readonly unknown[]
}
const SESSIONS: Kind = { list: keys.sessions, one: keys.session }
const TEMPLATES: Kind = { list: keys.templates, one: keys.template }

/** The lists that a feed has given in full: from then on the feed is the authority and nothing is fetched. */
const fed = new WeakMap<QueryClient, Set<string>>()

export function isFed(client: QueryClient, key: readonly unknown[]): boolean {
  return fed.get(client)?.has(String(key[0])) ?? false
}

/** Forgets what the feeds gave: while the socket is away, lists are fetched as usual. */
export function feedsLost(client: QueryClient): void {
  fed.delete(client)
}

/** Writes one object, as an answer or a delta brought it, into its list and its own entry. */
function put(client: QueryClient, kind: Kind, item: Named): void {
  client.setQueryData<readonly Named[]>(kind.list, (items) => items && upsert(items, item))
  client.setQueryData<Named>(kind.one(item.metadata.name), (known) => known && newer(item, known))
}

function newer(next: Named, known: Named): Named {
  return supersedes(next, known) ? next : known
}

export function putSession(client: QueryClient, session: Session): void {
  put(client, SESSIONS, session)
}

export function removeSession(client: QueryClient, name: string): void {
  remove(client, SESSIONS, name)
}

function remove(client: QueryClient, kind: Kind, name: string): void {
  client.setQueryData<readonly Named[]>(kind.list, (items) => items && without(items, name))
  // Whoever looks at it asks once more, and is told by the server that it is gone.
  void client.resetQueries({ queryKey: kind.one(name), exact: true })
}

function takeSnapshot(client: QueryClient, kind: Kind, snapshot: Snapshot): void {
  const items = snapshot.items as Named[]
  if (snapshot.resumed === true) {
    for (const item of items) put(client, kind, item)
  } else {
    const before = client.getQueryData<readonly Named[]>(kind.list) ?? []
    const now = new Set(items.map((item) => item.metadata.name))
    client.setQueryData<readonly Named[]>(kind.list, newestFirst(items))
    for (const item of items) client.setQueryData<Named>(kind.one(item.metadata.name), (known) => known && item)
    for (const { metadata } of before) if (!now.has(metadata.name)) remove(client, kind, metadata.name)
  }
  const set = fed.get(client) ?? new Set()
  fed.set(client, set.add(String(kind.list[0])))
}

export function newestFirst<Item extends Named>(items: readonly Item[]): readonly Item[] {
  const made = (item: Item) => item.metadata.creationTimestamp ?? ''
  return [...items].sort((a, b) => made(b).localeCompare(made(a)) || a.metadata.name.localeCompare(b.metadata.name))
}

export type ActivityMap = Readonly<Record<string, Activity>>

export function putActivity(client: QueryClient, activity: Activity): void {
  client.setQueryData<ActivityMap>(keys.activity, (known) => ({ ...known, [activity.session]: activity }))
}

/** Applies a message of the feed to the cache. Those that are not about data change nothing. */
export function applyMessage(client: QueryClient, message: Message): void {
  switch (message.type) {
    case 'snapshot':
      if (message.topic === 'sessions') takeSnapshot(client, SESSIONS, message)
      if (message.topic === 'templates') takeSnapshot(client, TEMPLATES, message)
      return
    case 'session.created':
    case 'session.updated':
      putSession(client, message.session)
      refreshDetails(client, message.session.metadata.name)
      return
    case 'session.deleted':
      removeSession(client, message.session.metadata.name)
      return
    case 'template.created':
    case 'template.updated':
      put(client, TEMPLATES, message.template)
      return
    case 'template.deleted':
      remove(client, TEMPLATES, message.template.metadata.name)
      return
    case 'session.activity':
      putActivity(client, message.activity)
      return
    default:
      return
  }
}

/** History, events and connections are not on the feed; a change of the session means that they may have changed. */
function refreshDetails(client: QueryClient, name: string): void {
  void client.invalidateQueries({ queryKey: ['session-detail', name] })
}
