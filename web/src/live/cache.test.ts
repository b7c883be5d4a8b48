import { describe, expect, it } from 'vitest'
import { keys } from '~/api/keys'
import { makeQueryClient } from '~/api/makeQueryClient'
import type { Session } from '~/api/types'
import { aSession, aTemplate } from '~/test/fixtures'
import { applyMessage, fedSoon, feedOf, feedsAsked, feedsLost, isFed } from './cache'
import { fetchOne, fetchWhole, SESSIONS } from './lists'

function cache() {
  const client = makeQueryClient()
  return {
    client,
    snapshot: (items: unknown[], resumed = false) =>
      applyMessage(client, { type: 'snapshot', topic: 'sessions', resumed, items }),
    updated: (session: Session) => applyMessage(client, { type: 'session.updated', session }),
    deleted: (session: Session) => applyMessage(client, { type: 'session.deleted', session }),
    names: () => client.getQueryData<Session[]>(keys.sessions)?.map((session) => session.metadata.name),
    one: (name: string) =>
      client.getQueryData<Session[]>(keys.sessions)?.find((session) => session.metadata.name === name),
  }
}

describe('the feed in the query cache', () => {
  it('a snapshot is the list, newest first', () => {
    const { snapshot, names } = cache()
    snapshot([aSession('old', { created: '2026-01-01T00:00:00Z' }), aSession('new', { created: '2026-02-01T00:00:00Z' })])
    expect(names()).toEqual(['new', 'old'])
  })

  it('a snapshot and the deltas after it leave exactly what the server has', () => {
    const { snapshot, updated, deleted, names, one } = cache()
    snapshot([aSession('a'), aSession('b')])
    updated(aSession('c', { version: 5 }))
    updated(aSession('a', { version: 6, phase: 'Hibernated' }))
    deleted(aSession('b', { version: 7 }))
    expect(names()?.sort()).toEqual(['a', 'c'])
    expect(one('a')?.status?.phase).toBe('Hibernated')
  })

  it('an older state never replaces a newer one, also beyond what a float can count', () => {
    const { snapshot, updated, one, client } = cache()
    snapshot([])
    const newer = aSession('a', { phase: 'Running' })
    newer.metadata.resourceVersion = '9007199254740993'
    const older = aSession('a', { phase: 'Starting' })
    older.metadata.resourceVersion = '9007199254740992'
    updated(newer)
    client.setQueryData(keys.session('a'), newer)
    updated(older)
    expect(one('a')?.status?.phase).toBe('Running')
    expect(client.getQueryData<Session>(keys.session('a'))?.status?.phase).toBe('Running')
  })

  it('a list that is fetched while the feed runs misses nothing that comes meanwhile, and is kept from then on', async () => {
    const { client, snapshot, updated, deleted, names, one } = cache()
    feedsAsked(client)
    snapshot([], true)
    const runs = () => feedOf(client, keys.sessions)
    let arrive: (sessions: Session[]) => void = () => undefined
    const answer = new Promise<Session[]>((resolve) => {
      arrive = resolve
    })
    const loaded = client.query({
      queryKey: keys.sessions,
      queryFn: () => fetchWhole(client, SESSIONS, keys.sessions, () => answer, runs),
    })
    updated(aSession('b', { version: 7, phase: 'Hibernated' }))
    deleted(aSession('c', { version: 8 }))
    arrive([aSession('a', { version: 1 }), aSession('b', { version: 2 }), aSession('c', { version: 3 })])
    await loaded
    expect(names()?.sort()).toEqual(['a', 'b'])
    expect(one('b')?.status?.phase).toBe('Hibernated')
    expect(isFed(client, keys.sessions)).toBe(true)
    updated(aSession('d', { version: 9 }))
    expect(names()?.sort()).toEqual(['a', 'b', 'd'])
  })

  it('one session that is fetched while the feed runs is never older than what came meanwhile', async () => {
    const { client, updated } = cache()
    let arrive: (session: Session) => void = () => undefined
    const answer = new Promise<Session>((resolve) => {
      arrive = resolve
    })
    const loaded = fetchOne(client, SESSIONS, 'a', () => answer)
    updated(aSession('a', { version: 7, phase: 'Running' }))
    updated(aSession('b', { version: 8, phase: 'Failed' }))
    arrive(aSession('a', { version: 2, phase: 'Pending' }))
    expect((await loaded).status?.phase).toBe('Running')
    const later = () => Promise.resolve(aSession('a', { version: 9, phase: 'Hibernated' }))
    expect((await fetchOne(client, SESSIONS, 'a', later)).status?.phase).toBe('Hibernated')
  })

  it('what was fetched before the feed began is fetched again, since it may have changed in between', () => {
    const { client, snapshot } = cache()
    client.setQueryData(keys.sessions, [aSession('a')])
    client.setQueryData(keys.session('a'), aSession('a'))
    snapshot([], true)
    expect(client.getQueryState(keys.sessions)?.isInvalidated).toBe(true)
    expect(client.getQueryState(keys.session('a'))?.isInvalidated).toBe(true)
  })

  it('a list that was fetched across an interruption is not taken for whole', async () => {
    const { client, snapshot } = cache()
    feedsAsked(client)
    snapshot([], true)
    const runs = () => feedOf(client, keys.sessions)
    const fetch = () => {
      feedsLost(client)
      feedsAsked(client)
      snapshot([], true)
      return Promise.resolve([aSession('a')])
    }
    await fetchWhole(client, SESSIONS, keys.sessions, fetch, runs)
    expect(isFed(client, keys.sessions)).toBe(false)
    // The control: the same without one.
    await fetchWhole(client, SESSIONS, keys.sessions, () => Promise.resolve([aSession('a')]), runs)
    expect(isFed(client, keys.sessions)).toBe(true)
  })

  it('one’s own list is kept with the list of all, and holds nobody else’s', () => {
    const { client, snapshot, updated } = cache()
    const own = () => client.getQueryData<Session[]>(keys.sessionsOf('ada'))?.map(({ metadata }) => metadata.name)
    client.setQueryData(keys.sessionsOf('ada'), [])
    snapshot([aSession('a'), aSession('b', { spec: { user: 'bob' } })])
    updated(aSession('c', { version: 5 }))
    updated(aSession('d', { version: 6, spec: { user: 'bob' } }))
    expect(own()).toEqual(['c', 'a'])
  })

  it('a resumed snapshot adds to what is known, a fresh one replaces it', () => {
    const { snapshot, names } = cache()
    snapshot([aSession('a')])
    snapshot([aSession('b')], true)
    expect(names()?.sort()).toEqual(['a', 'b'])
    snapshot([aSession('c')])
    expect(names()).toEqual(['c'])
  })

  it('what a fresh snapshot lacks is gone from its own page too', () => {
    const { snapshot, client } = cache()
    snapshot([aSession('a')])
    client.setQueryData(keys.session('a'), aSession('a'))
    snapshot([])
    expect(client.getQueryData(keys.session('a'))).toBeUndefined()
  })

  it('the feed is the authority from its snapshot until it is lost', () => {
    const { snapshot, client } = cache()
    expect(isFed(client, keys.sessions)).toBe(false)
    snapshot([])
    expect(isFed(client, keys.sessions)).toBe(true)
    expect(isFed(client, keys.templates)).toBe(false)
    feedsLost(client)
    expect(isFed(client, keys.sessions)).toBe(false)
  })

  it('a list waits for a feed that is on its way, and not for one that is lost or refused', async () => {
    const { client, snapshot } = cache()
    const settled: string[] = []
    const wait = (label: string) => fedSoon(client, keys.sessions).then(() => settled.push(label))
    await wait('nobody asked')
    feedsAsked(client)
    const first = wait('delivered')
    expect(settled).toEqual(['nobody asked'])
    snapshot([])
    await first
    feedsLost(client)
    feedsAsked(client)
    const second = wait('lost')
    feedsLost(client)
    await second
    feedsAsked(client)
    const third = wait('refused')
    applyMessage(client, { type: 'error', topic: 'sessions', title: 'You may not' })
    await third
    expect(settled).toEqual(['nobody asked', 'delivered', 'lost', 'refused'])
  })

  it('templates and figures have their own places', () => {
    const { client } = cache()
    applyMessage(client, { type: 'snapshot', topic: 'templates', items: [aTemplate('desktop')] })
    applyMessage(client, {
      type: 'session.activity',
      activity: { session: 'a', connections: 2, idle: { since: null, cause: '' } },
    })
    expect(client.getQueryData(keys.templates)).toHaveLength(1)
    expect(client.getQueryData(keys.activity)).toHaveProperty('a.connections', 2)
  })
})
