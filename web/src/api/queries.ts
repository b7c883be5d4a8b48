import { queryOptions, type QueryClient } from '@tanstack/react-query'
import { fedSoon, feedOf, isFed, type ActivityMap } from '~/live/cache'
import { fetchOne, fetchWhole, SESSIONS, TEMPLATES, type Kind, type Named } from '~/live/lists'
import { answer, api } from './client'
import { keys } from './keys'
import { Problem } from './problem'
import type { Job, JobLogLine, JobStatus, Me, Session, Template } from './types'

export const PAGE_SIZE = 500
/** Lists longer than this are cut: the feed brings the rest, or the person narrows the search. */
const MOST_PAGES = 20

/** All pages of a list, up to a bound. */
export async function allPages<Item>(get: (page: number) => Promise<{ items: Item[]; total: number }>): Promise<Item[]> {
  const items: Item[] = []
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const part = await get(page)
    items.push(...part.items)
    if (part.items.length === 0 || items.length >= part.total) break
  }
  return items
}

/** The list as the feed keeps it; else what `fetch` brings, which the feed keeps up to date from then on. */
async function fedOr<Item extends Named>(
  client: QueryClient,
  kind: Kind,
  key: readonly unknown[],
  fetch: () => Promise<Item[]>,
): Promise<readonly Item[]> {
  const held = () => (isFed(client, key) ? client.getQueryData<readonly Item[]>(key) : undefined)
  await fedSoon(client, key)
  return held() ?? fetchWhole(client, kind, key, fetch, () => feedOf(client, key))
}

/** While no feed brings `key`, it is asked for this often. */
export const POLL_MS = 4_000

/** For `refetchInterval`: polls only where, and as long as, there is no feed. */
export const unlessFed = (client: QueryClient, key: readonly unknown[]) => () => (isFed(client, key) ? false : POLL_MS)

/** Who is signed in; null for nobody. */
export const meQuery = queryOptions({
  queryKey: keys.me,
  queryFn: ({ signal }): Promise<Me | null> =>
    answer(api.GET('/api/v1/users/me', { signal })).catch((failure: unknown) => {
      if (failure instanceof Problem && failure.status === 401) return null
      throw failure
    }),
  // Without it there is no page; the page that says so asks again itself.
  retry: false,
  staleTime: 5 * 60_000,
})

export const systemQuery = queryOptions({
  queryKey: keys.system,
  queryFn: ({ signal }) => answer(api.GET('/api/v1/system', { signal })),
  staleTime: 5 * 60_000,
})

export const sessionsQuery = queryOptions({
  queryKey: keys.sessions,
  queryFn: ({ client, signal }): Promise<readonly Session[]> =>
    fedOr(client, SESSIONS, keys.sessions, () =>
      allPages((page) =>
        answer(api.GET('/api/v1/sessions', { params: { query: { page, pageSize: PAGE_SIZE } }, signal })),
      ),
    ),
  staleTime: 10_000,
})

/** The sessions of one person, so that who sees everybody's need not load them all to see their own. */
export const sessionsOfQuery = (user: string) =>
  queryOptions({
    queryKey: keys.sessionsOf(user),
    queryFn: ({ client, signal }): Promise<readonly Session[]> =>
      fedOr(client, SESSIONS, keys.sessionsOf(user), () =>
        allPages((page) =>
          answer(api.GET('/api/v1/sessions', { params: { query: { user, page, pageSize: PAGE_SIZE } }, signal })),
        ),
      ),
    staleTime: 10_000,
  })

export const sessionQuery = (name: string) =>
  queryOptions({
    queryKey: keys.session(name),
    queryFn: ({ client, signal }) =>
      fetchOne(client, SESSIONS, name, () =>
        answer(api.GET('/api/v1/sessions/{id}', { params: { path: { id: name } }, signal })),
      ),
    staleTime: 10_000,
  })

export const templatesQuery = queryOptions({
  queryKey: keys.templates,
  queryFn: ({ client, signal }): Promise<readonly Template[]> =>
    fedOr(client, TEMPLATES, keys.templates, () =>
      allPages((page) =>
        answer(api.GET('/api/v1/templates', { params: { query: { page, pageSize: PAGE_SIZE } }, signal })),
      ),
    ),
  staleTime: 60_000,
})

export const templateQuery = (name: string) =>
  queryOptions({
    queryKey: keys.template(name),
    queryFn: ({ client, signal }) =>
      fetchOne(client, TEMPLATES, name, () =>
        answer(api.GET('/api/v1/templates/{id}', { params: { path: { id: name } }, signal })),
      ),
    staleTime: 60_000,
  })

export const activityQuery = queryOptions({
  queryKey: keys.activity,
  queryFn: async ({ signal }): Promise<ActivityMap> => {
    const items = await allPages((page) =>
      answer(api.GET('/api/v1/activity', { params: { query: { page, pageSize: PAGE_SIZE } }, signal })),
    )
    return Object.fromEntries(items.map((item) => [item.session, item]))
  },
  staleTime: 30_000,
})

const ofSession = (id: string, signal: AbortSignal) => ({ params: { path: { id } }, signal })

export const lifecycleQuery = (name: string) =>
  queryOptions({
    queryKey: keys.lifecycle(name),
    queryFn: ({ signal }) => answer(api.GET('/api/v1/sessions/{id}/lifecycle', ofSession(name, signal))),
  })

export const eventsQuery = (name: string) =>
  queryOptions({
    queryKey: keys.events(name),
    queryFn: async ({ signal }) =>
      (await answer(api.GET('/api/v1/sessions/{id}/events', ofSession(name, signal)))).items,
  })

export const connectionsQuery = (name: string) =>
  queryOptions({
    queryKey: keys.connections(name),
    queryFn: async ({ signal }) =>
      (await answer(api.GET('/api/v1/sessions/{id}/connections', ofSession(name, signal)))).items,
    refetchInterval: 15_000,
  })

export const usersQuery = queryOptions({
  queryKey: keys.users,
  queryFn: ({ signal }) =>
    allPages((page) => answer(api.GET('/api/v1/users', { params: { query: { page, pageSize: PAGE_SIZE } }, signal }))),
})

/** One's own tokens, or those of a service account. */
export const tokensQuery = (account: string | undefined) =>
  queryOptions({
    queryKey: keys.tokensOf(account),
    queryFn: async ({ signal }) =>
      (
        await answer(
          account === undefined
            ? api.GET('/api/v1/tokens', { signal })
            : api.GET('/api/v1/service-accounts/{name}/tokens', { params: { path: { name: account } }, signal }),
        )
      ).items,
  })

/** Who one is at identity providers. */
export const ownIdentitiesQuery = queryOptions({
  queryKey: keys.identities,
  queryFn: async ({ signal }) =>
    (await answer(api.GET('/api/v1/users/me/identities', { params: { query: { pageSize: PAGE_SIZE } }, signal }))).items,
})

export const AUDIT_PAGE_SIZE = 50

/** A page of the audit, newest first; of one `actor` alone where one is named. */
export const auditQuery = (page: number, search: string, actor?: string) =>
  queryOptions({
    queryKey: keys.audit(page, search, actor),
    queryFn: ({ signal }) => {
      const filter = { ...(search === '' ? {} : { search }), ...(actor === undefined ? {} : { actor }) }
      const query = { page, pageSize: AUDIT_PAGE_SIZE, sort: '-time', ...filter }
      return answer(api.GET('/api/v1/audit', { params: { query }, signal }))
    },
  })

export const JOB_PAGE_SIZE = 50

export interface JobFilter {
  search?: string
  status?: JobStatus
  page?: number
}

/** A page of the jobs that one may see, newest first. */
export const jobsQuery = ({ search, status, page = 1 }: JobFilter) =>
  queryOptions({
    queryKey: [...keys.jobs, { search, status, page }],
    queryFn: ({ signal }) => {
      const filter = { ...(search ? { search } : {}), ...(status ? { status } : {}) }
      return answer(api.GET('/api/v1/jobs', { params: { query: { page, pageSize: JOB_PAGE_SIZE, ...filter } }, signal }))
    },
  })

/** How many jobs were given up. */
export const deadJobsQuery = queryOptions({
  queryKey: [...keys.jobs, 'dead'],
  queryFn: ({ signal }) => answer(api.GET('/api/v1/jobs', { params: { query: { status: 'DEAD', pageSize: 1 } }, signal })),
})

export const jobQuery = (id: string) =>
  queryOptions({
    queryKey: keys.job(id),
    queryFn: ({ signal }): Promise<Job> => answer(api.GET('/api/v1/jobs/{id}', { params: { path: { id } }, signal })),
  })

/** A job's log so far. Lines are numbered without gaps, so each time only those after the last one are fetched. */
export const jobLogQuery = (id: string) =>
  queryOptions({
    queryKey: keys.jobLog(id),
    queryFn: async ({ client, signal }): Promise<readonly JobLogLine[]> => {
      const lines = [...(client.getQueryData<readonly JobLogLine[]>(keys.jobLog(id)) ?? [])]
      for (let pages = 0; pages < MOST_PAGES; pages += 1) {
        const query = { after: lines.at(-1)?.number ?? 0, pageSize: PAGE_SIZE }
        const { items, total } = await answer(
          api.GET('/api/v1/jobs/{id}/logs', { params: { path: { id }, query }, signal }),
        )
        lines.push(...items)
        if (items.length === 0 || lines.length >= total) break
      }
      return lines
    },
  })
