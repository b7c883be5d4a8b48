import { queryOptions } from '@tanstack/react-query'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import { allPages, PAGE_SIZE } from '~/api/queries'
import type { Invitation, Share, SharedLevels } from '~/api/types'

/** How far the sessions of others are open to oneself, by their names; the feed keeps it up to date. */
export const sharedQuery = queryOptions({
  queryKey: keys.shared,
  queryFn: async ({ signal }): Promise<SharedLevels> => {
    const shared = await allPages((page) =>
      answer(api.GET('/api/v1/users/me/shares', { params: { query: { page, pageSize: PAGE_SIZE } }, signal })),
    )
    return Object.fromEntries(shared.map(({ session, level }) => [session, level]))
  },
  staleTime: 5 * 60_000,
})

const pageOf = (id: string, page: number) => ({ path: { id }, query: { page, pageSize: PAGE_SIZE } })

/** With whom a session is shared. */
export const sharesQuery = (name: string) =>
  queryOptions({
    queryKey: keys.shares(name),
    queryFn: ({ signal }): Promise<Share[]> =>
      allPages((page) => answer(api.GET('/api/v1/sessions/{id}/shares', { params: pageOf(name, page), signal }))),
  })

/** The links to a session that still let in. */
export const invitationsQuery = (name: string) =>
  queryOptions({
    queryKey: keys.invitations(name),
    queryFn: ({ signal }): Promise<Invitation[]> =>
      allPages((page) => answer(api.GET('/api/v1/sessions/{id}/invitations', { params: pageOf(name, page), signal }))),
  })
