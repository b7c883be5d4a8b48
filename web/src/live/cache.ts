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

/** How it stands with the feeds of a client, by the name of their topic. */
interface Feeds {
  /** Delivered in full: from then on the feed is the authority and nothing is fetched. */
  fed: Set<string>
  /** Not to be had: the list is fetched. */
  refused: Set<string>
  /** Called at each change. */
  listeners: Set<() => void>
}

/** Only while a socket is open or being opened. */
const feeds = new WeakMap<QueryClient, Feeds>()

/** A feed that has just been asked is waited for this long before its list is fetched: both would bring the same. */
const FEED_WAIT_MS = 1_500

export function isFed(client: QueryClient, key: readonly unknown[]): boolean {
  return feeds.get(client)?.fed.has(String(key[0])) ?? false
}

/** Says that the feeds are being asked, so that lists wait for them. */
export function feedsAsked(client: QueryClient): void {
  if (!feeds.has(client)) feeds.set(client, { fed: new Set(), refused: new Set(), listeners: new Set() })
}

/** Forgets what the feeds gave: while the socket is away, lists are fetched as usual. */
export function feedsLost(client: QueryClient): void {
  const lost = feeds.get(client)
  feeds.delete(client)
  for (const listener of [...(lost?.listeners ?? [])]) listener()
}

function note(client: QueryClient, outcome: 'fed' | 'refused', topic: string): void {
  feedsAsked(client)
  const state = feeds.get(client)
  state?.[outcome].add(topic)
  for (const listener of [...(state?.listeners ?? [])]) listener()
}

/** Resolves once a feed has delivered `key`, or will not soon; at once while no feed is being asked. */
export async function fedSoon(client: QueryClient, key: readonly unknown[]): Promise<void> {
  const topic = String(key[0])
  const listeners = feeds.get(client)?.listeners
  const isOpen = () => {
    const state = feeds.get(client)
    return state !== undefined && !state.fed.has(topic) && !state.refused.has(topic)
  }
  if (!listeners || !isOpen()) return
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer)
      listeners.delete(check)
      resolve()
    }
    const check = () => {
      if (!isOpen()) done()
    }
    const timer = setTimeout(done, FEED_WAIT_MS)
    listeners.add(check)
  })
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
  note(client, 'fed', String(kind.list[0]))
}

export function newestFirst<Item extends Named>(items: readonly Item[]): readonly Item[] {
  const made = (item: Item) => item.metadata.creationTimestamp
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
    case 'error':
      if (message.topic !== undefined) note(client, 'refused', message.topic)
      return
    default:
      return
  }
}

/** History, events and connections are not on the feed; a change of the session means that they may have changed. */
function refreshDetails(client: QueryClient, name: string): void {
  void client.invalidateQueries({ queryKey: ['session-detail', name] })
}
