import { queryOptions } from '@tanstack/react-query'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import type { CatalogFilter } from './filter'

export const CATALOG_PAGE_SIZE = 48
/** The latest of what is kept. */
const LATEST = 50

/** A page of what the repositories hold, and what it can be narrowed to. */
export const catalogQuery = ({ search, category, tag, repository, installed, sort, page = 1 }: CatalogFilter) =>
  queryOptions({
    queryKey: [...keys.catalog, 'templates', { search, category, tag, repository, installed, sort, page }],
    queryFn: ({ signal }) => {
      const filter = {
        ...(search ? { search } : {}),
        ...(category ? { category } : {}),
        ...(tag ? { tag } : {}),
        ...(repository ? { repository } : {}),
        ...(installed === undefined ? {} : { installed: installed === 'yes' }),
        ...(sort ? { sort } : {}),
      }
      const query = { ...filter, page, pageSize: CATALOG_PAGE_SIZE }
      return answer(api.GET('/api/v1/catalog/templates', { params: { query }, signal }))
    },
  })

const one = (id: string, signal: AbortSignal) => ({ params: { path: { id } }, signal })
const latestOf = (id: string, signal: AbortSignal) => ({
  params: { path: { id }, query: { pageSize: LATEST } },
  signal,
})

export const catalogTemplateQuery = (id: string) =>
  queryOptions({
    queryKey: [...keys.catalog, 'template', id],
    queryFn: ({ signal }) => answer(api.GET('/api/v1/catalog/templates/{id}', one(id, signal))),
  })

export const versionsQuery = (id: string) =>
  queryOptions({
    queryKey: [...keys.catalog, 'template', id, 'versions'],
    queryFn: async ({ signal }) =>
      (await answer(api.GET('/api/v1/catalog/templates/{id}/versions', latestOf(id, signal)))).items,
  })

export const diffQuery = (id: string, from: string, to: string) =>
  queryOptions({
    queryKey: [...keys.catalog, 'template', id, 'diff', from, to],
    queryFn: ({ signal }) =>
      answer(
        api.GET('/api/v1/catalog/templates/{id}/diff', { params: { path: { id }, query: { from, to } }, signal }),
      ),
    // Two versions differ in the same way for good.
    staleTime: Number.POSITIVE_INFINITY,
  })

export const repositoriesQuery = queryOptions({
  queryKey: [...keys.catalog, 'repositories'],
  queryFn: async ({ signal }) =>
    (await answer(api.GET('/api/v1/catalog/repositories', { params: { query: { pageSize: 500 } }, signal }))).items,
})

export const repositoryQuery = (id: string) =>
  queryOptions({
    queryKey: [...keys.catalog, 'repository', id],
    queryFn: ({ signal }) => answer(api.GET('/api/v1/catalog/repositories/{id}', one(id, signal))),
  })

export const syncsQuery = (id: string) =>
  queryOptions({
    queryKey: [...keys.catalog, 'repository', id, 'syncs'],
    queryFn: async ({ signal }) =>
      (await answer(api.GET('/api/v1/catalog/repositories/{id}/syncs', latestOf(id, signal)))).items,
  })

/** A ping or a push to another branch leads to no job of which the feed would tell. */
const DELIVERIES_EVERY_MS = 10_000

export const deliveriesQuery = (id: string) =>
  queryOptions({
    queryKey: [...keys.catalog, 'repository', id, 'deliveries'],
    queryFn: async ({ signal }) =>
      (await answer(api.GET('/api/v1/catalog/repositories/{id}/deliveries', latestOf(id, signal)))).items,
    refetchInterval: DELIVERIES_EVERY_MS,
  })

/** Syncs that wait or run, with how far they are. */
export const activeSyncsQuery = queryOptions({
  queryKey: [...keys.jobs, 'syncs'],
  queryFn: ({ signal }) => {
    const query = { type: SYNC, status: 'PENDING,RUNNING', pageSize: 500 }
    return answer(api.GET('/api/v1/jobs', { params: { query }, signal }))
  },
})

/** The type of the jobs that sync. */
export const SYNC = 'catalog.sync'

/** What may be root inside its containers. */
export const grantsQuery = queryOptions({
  queryKey: [...keys.catalog, 'grants'],
  queryFn: async ({ signal }) =>
    (await answer(api.GET('/api/v1/catalog/grants', { params: { query: { pageSize: 500 } }, signal }))).items,
})
