import type { QueryClient } from '@tanstack/react-query'
import { keys } from '~/api/keys'
import type { Activity, Session, SharedLevels, ShareLevel } from '~/api/types'
import { goOn, isWhole, put, remove, replace, SESSIONS, TEMPLATES, type Kind, type Named } from './lists'
import type { Message, Snapshot } from './messages'

/** How it stands with the feeds of a client, by the name of their topic. */
interface Feeds {
  /** Begun: from then on a list that is whole stays so. */
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

/** Whether the list under `key` is all there and kept up to date by its feed, so that nothing need be fetched. */
export function isFed(client: QueryClient, key: readonly unknown[]): boolean {
  return feedOf(client, key) !== undefined && isWhole(client, key)
}

/** The run of the feed that brings changes of `key`: another one after each interruption; nothing while there is none. */
export function feedOf(client: QueryClient, key: readonly unknown[]): object | undefined {
  const state = feeds.get(client)
  return state?.fed.has(String(key[0])) ? state : undefined
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

/** Resolves once the feed of `key` has begun, or will not soon; at once while no feed is being asked. */
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

export function putSession(client: QueryClient, session: Session): void {
  put(client, SESSIONS, session)
}

export function removeSession(client: QueryClient, name: string): void {
  remove(client, SESSIONS, name)
}

function takeSnapshot(client: QueryClient, kind: Kind, snapshot: Snapshot): void {
  const items = snapshot.items as Named[]
  if (snapshot.resumed !== true) replace(client, kind, items)
  else for (const item of items) put(client, kind, item)
  note(client, 'fed', String(kind.list[0]))
  if (snapshot.resumed === true) goOn(client, kind)
}

export type ActivityMap = Readonly<Record<string, Activity>>

export function putActivity(client: QueryClient, activity: Activity): void {
  client.setQueryData<ActivityMap>(keys.activity, (known) => ({ ...known, [activity.session]: activity }))
}

/** Every frame about a session that others share says how far; what is not marked is not shared. */
function putShared(client: QueryClient, name: string, level: ShareLevel | undefined): void {
  client.setQueryData<SharedLevels>(keys.shared, (known) => {
    if (known === undefined || known[name] === level) return known
    if (level !== undefined) return { ...known, [name]: level }
    return Object.fromEntries(Object.entries(known).filter(([session]) => session !== name))
  })
}

/** Applies a message of the feed to the cache. Those that are not about data change nothing. */
export function applyMessage(client: QueryClient, message: Message): void {
  switch (message.type) {
    case 'snapshot':
      if (message.topic === 'sessions') {
        takeSnapshot(client, SESSIONS, message)
        if (message.resumed !== true) client.setQueryData<SharedLevels>(keys.shared, message.shared ?? {})
      }
      if (message.topic === 'templates') takeSnapshot(client, TEMPLATES, message)
      return
    case 'session.created':
    case 'session.updated':
      putShared(client, message.session.metadata.name, message.shared)
      putSession(client, message.session)
      refreshDetails(client, message.session.metadata.name)
      return
    case 'session.deleted':
      putShared(client, message.session.metadata.name, undefined)
      remove(client, SESSIONS, message.session.metadata.name, message.session)
      return
    case 'template.created':
    case 'template.updated':
      put(client, TEMPLATES, message.template)
      return
    case 'template.deleted':
      remove(client, TEMPLATES, message.template.metadata.name, message.template)
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
