import { queryOptions } from '@tanstack/react-query'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import { allPages, PAGE_SIZE } from '~/api/queries'
import type { UserQuota } from '~/api/types'
import { limitedBy } from '~/lib/quota'

/** What is used changes with every start and stop, of others too. */
export const USED_AGAIN_MS = 10_000

/** What one may use oneself. */
export const ownQuotaQuery = queryOptions({
  queryKey: keys.ownQuota,
  queryFn: ({ signal }): Promise<UserQuota> => answer(api.GET('/api/v1/users/me/quota', { signal })),
  // Where nothing is limited there is nothing to follow.
  refetchInterval: ({ state: { data } }) =>
    data && [data, ...data.groups].some((quota) => limitedBy(quota).length > 0) ? USED_AGAIN_MS : false,
})

export const userQuotaQuery = (name: string) =>
  queryOptions({
    queryKey: keys.quota('user', name),
    queryFn: ({ signal }) => answer(api.GET('/api/v1/users/{name}/quota', { params: { path: { name } }, signal })),
  })

export const groupQuotaQuery = (name: string) =>
  queryOptions({
    queryKey: keys.quota('group', name),
    queryFn: ({ signal }) => answer(api.GET('/api/v1/groups/{name}/quota', { params: { path: { name } }, signal })),
  })

export const defaultQuotaQuery = queryOptions({
  queryKey: keys.quota('default', ''),
  queryFn: ({ signal }) => answer(api.GET('/api/v1/quotas/default', { signal })),
})

export const groupsQuery = queryOptions({
  queryKey: keys.groups,
  queryFn: ({ signal }) =>
    allPages((page) => answer(api.GET('/api/v1/groups', { params: { query: { page, pageSize: PAGE_SIZE } }, signal }))),
})

export const membersQuery = (name: string) =>
  queryOptions({
    queryKey: keys.members(name),
    queryFn: ({ signal }) =>
      allPages((page) =>
        answer(
          api.GET('/api/v1/groups/{name}/members', {
            params: { path: { name }, query: { page, pageSize: PAGE_SIZE } },
            signal,
          }),
        ),
      ),
  })
