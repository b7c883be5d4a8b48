import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import { allPages, PAGE_SIZE } from '~/api/queries'
import type { ProjectRole, QuotaView } from '~/api/types'
import { limitedBy } from '~/lib/quota'
import { USED_AGAIN_MS } from '~/people/queries'

const pageOf = (name: string, page: number) => ({ path: { name }, query: { page, pageSize: PAGE_SIZE } })

/** The projects that one may know of. */
export const projectsQuery = queryOptions({
  queryKey: keys.projects,
  queryFn: ({ signal }) =>
    allPages((page) => answer(api.GET('/api/v1/projects', { params: { query: { page, pageSize: PAGE_SIZE } }, signal }))),
})

/** Who belongs to a project. */
export const projectMembersQuery = (name: string) =>
  queryOptions({
    queryKey: keys.projectMembers(name),
    queryFn: ({ signal }) =>
      allPages((page) => answer(api.GET('/api/v1/projects/{name}/members', { params: pageOf(name, page), signal }))),
  })

/** What the sessions of a project may use together, and do. */
export const projectQuotaQuery = (name: string) =>
  queryOptions({
    queryKey: keys.quota('project', name),
    queryFn: ({ signal }): Promise<QuotaView> =>
      answer(api.GET('/api/v1/projects/{name}/quota', { params: { path: { name } }, signal })),
    refetchInterval: ({ state: { data } }) => (data && limitedBy(data).length > 0 ? USED_AGAIN_MS : false),
  })

/** After it the projects are looked at again. */
function useProjectMutation<Variables>(mutationFn: (variables: Variables) => Promise<unknown>) {
  const client = useQueryClient()
  return useMutation({
    mutationFn,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.projects })
      void client.invalidateQueries({ queryKey: keys.quotas })
    },
  })
}

export const useCreateProject = () =>
  useProjectMutation((body: { name: string; displayName: string; manager?: string }) =>
    answer(api.POST('/api/v1/projects', { body })),
  )

export const useDeleteProject = () =>
  useProjectMutation((name: string) => answer(api.DELETE('/api/v1/projects/{name}', { params: { path: { name } } })))

/** Lets somebody belong to a project, as what `role` says; nothing: no longer. */
export const useMembership = (name: string) =>
  useProjectMutation(({ user, role }: { user: string; role: ProjectRole | undefined }) => {
    const params = { path: { name, user } }
    return role === undefined
      ? answer(api.DELETE('/api/v1/projects/{name}/members/{user}', { params }))
      : answer(api.PUT('/api/v1/projects/{name}/members/{user}', { params, body: { role } }))
  })
