import type { QueryClient } from '@tanstack/react-query'
import { keys } from '~/api/keys'
import type { Session, Template } from '~/api/types'
import { supersedes, upsert, without } from './collection'

export type Named = Session | Template

/** A kind of object: where its lists are in the query cache, and its single ones. */
export interface Kind {
  /** What the keys of its lists begin with. */
  list: readonly unknown[]
  one: (name: string) => readonly unknown[]
}

export const SESSIONS: Kind = { list: keys.sessions, one: keys.session }
export const TEMPLATES: Kind = { list: keys.templates, one: keys.template }

/** What a feed brought about one object. */
interface Delta {
  kind: Kind
  item: Named
  gone: boolean
}

interface Memory {
  /** Lists that hold everything they should, as JSON of their keys, as long as no change is missed. */
  whole: Set<string>
  /** Called with each delta while a list is on its way. */
  journals: Set<(delta: Delta) => void>
}

const memories = new WeakMap<QueryClient, Memory>()

function memoryOf(client: QueryClient): Memory {
  const known = memories.get(client)
  if (known) return known
  const made: Memory = { whole: new Set(), journals: new Set() }
  memories.set(client, made)
  return made
}

/** Whether the list under `key` holds everything it should, provided that its feed runs. */
export function isWhole(client: QueryClient, key: readonly unknown[]): boolean {
  return memoryOf(client).whole.has(JSON.stringify(key))
}

/** Some lists hold the sessions of one person alone: `['sessions', 'of', 'ada']`. */
function belongs(item: Named, key: readonly unknown[]): boolean {
  const [, of, user] = key
  return of === undefined || ('user' in item.spec && item.spec.user === user)
}

/** The lists of a kind that are in the cache. */
function listsOf(client: QueryClient, kind: Kind): (readonly unknown[])[] {
  return client
    .getQueryCache()
    .findAll({ queryKey: kind.list })
    .map(({ queryKey }) => queryKey)
}

function changeLists(
  client: QueryClient,
  kind: Kind,
  change: (items: readonly Named[], key: readonly unknown[]) => readonly Named[],
): void {
  for (const key of listsOf(client, kind)) {
    client.setQueryData<readonly Named[]>(key, (items) => items && change(items, key))
  }
}

/** Writes one object, as an answer or a delta brought it, into its lists and its own entry. */
export function put(client: QueryClient, kind: Kind, item: Named): void {
  for (const note of memoryOf(client).journals) note({ kind, item, gone: false })
  changeLists(client, kind, (items, key) => (belongs(item, key) ? upsert(items, item) : items))
  client.setQueryData<Named>(kind.one(item.metadata.name), (known) =>
    known && supersedes(item, known) ? item : known,
  )
}

/** Takes an object out; `item` as it was last, where that is known. */
export function remove(client: QueryClient, kind: Kind, name: string, item?: Named): void {
  if (item) for (const note of memoryOf(client).journals) note({ kind, item, gone: true })
  changeLists(client, kind, (items) => without(items, name))
  // Whoever looks at it asks once more, and is told by the server that it is gone.
  void client.resetQueries({ queryKey: kind.one(name), exact: true })
}

/** Everything of a kind that there is: each list becomes its part of it, and what is not in it is gone. */
export function replace(client: QueryClient, kind: Kind, items: readonly Named[]): void {
  const { whole } = memoryOf(client)
  const all = newestFirst(items)
  client.setQueryData<readonly Named[]>(kind.list, all)
  for (const key of listsOf(client, kind)) {
    client.setQueryData<readonly Named[]>(key, all.filter((item) => belongs(item, key)))
    whole.add(JSON.stringify(key))
  }
  const now = new Map(items.map((item) => [item.metadata.name, item]))
  for (const { queryKey } of client.getQueryCache().findAll({ queryKey: kind.one('').slice(0, 1) })) {
    const name = String(queryKey[1])
    const item = now.get(name)
    if (item) client.setQueryData<Named>(queryKey, (known) => known && item)
    else void client.resetQueries({ queryKey, exact: true })
  }
}

/**
 * A feed goes on where it was, or begins. Lists that were not whole then are fetched again, the others missed nothing; so
 * are single objects, which may have been fetched just before.
 */
export function goOn(client: QueryClient, kind: Kind): void {
  for (const key of listsOf(client, kind)) {
    if (!isWhole(client, key)) void client.invalidateQueries({ queryKey: key, exact: true })
  }
  void client.invalidateQueries({ queryKey: kind.one('').slice(0, 1) })
}

/**
 * The list under `key` as `fetch` brings it, with what the feed brought about it meanwhile. It is whole if `runs` says so
 * before and after: then no change was missed.
 */
export async function fetchWhole<Item extends Named>(
  client: QueryClient,
  kind: Kind,
  key: readonly unknown[],
  fetch: () => Promise<readonly Item[]>,
  runs: () => unknown,
): Promise<readonly Item[]> {
  const { whole, journals } = memoryOf(client)
  const journal: Delta[] = []
  const note = (delta: Delta) => journal.push(delta)
  journals.add(note)
  const before = runs()
  try {
    const fetched: readonly Named[] = newestFirst(await fetch())
    if (before !== undefined && before === runs()) whole.add(JSON.stringify(key))
    else whole.delete(JSON.stringify(key))
    const wanted = journal.filter((delta) => delta.kind === kind && belongs(delta.item, key))
    return wanted.reduce(apply, fetched) as readonly Item[]
  } finally {
    journals.delete(note)
  }
}

/** An object as `fetch` brings it, or as the feed brought it meanwhile where that is newer. */
export async function fetchOne<Item extends Named>(
  client: QueryClient,
  kind: Kind,
  name: string,
  fetch: () => Promise<Item>,
): Promise<Item> {
  const { journals } = memoryOf(client)
  let latest: Named | undefined
  const note = (delta: Delta) => {
    if (delta.kind === kind && delta.item.metadata.name === name && !delta.gone) latest = delta.item
  }
  journals.add(note)
  try {
    const fetched = await fetch()
    return latest && supersedes(latest, fetched) ? (latest as Item) : fetched
  } finally {
    journals.delete(note)
  }
}

function apply(items: readonly Named[], { item, gone }: Delta): readonly Named[] {
  if (!gone) return upsert(items, item)
  const known = items.find(({ metadata }) => metadata.name === item.metadata.name)
  return known && supersedes(item, known) ? without(items, item.metadata.name) : items
}

export function newestFirst<Item extends Named>(items: readonly Item[]): readonly Item[] {
  const made = (item: Item) => item.metadata.creationTimestamp
  return [...items].sort((a, b) => made(b).localeCompare(made(a)) || a.metadata.name.localeCompare(b.metadata.name))
}
