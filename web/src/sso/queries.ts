import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import type { NewMapping, SsoTest } from '~/api/types'

export const mappingsQuery = queryOptions({
  queryKey: keys.mappings,
  queryFn: async ({ signal }) =>
    (await answer(api.GET('/api/v1/rbac-mappings', { params: { query: { pageSize: 500 } }, signal }))).items,
})

/** After it the rules are looked at again. */
function useMappingMutation<Variables, Result>(mutationFn: (variables: Variables) => Promise<Result>) {
  const client = useQueryClient()
  return useMutation({
    mutationFn,
    onSuccess: () => void client.invalidateQueries({ queryKey: keys.mappings }),
  })
}

const path = (id: string) => ({ params: { path: { id } } })

/** Makes a rule, or changes the one of that id. */
export const useSaveMapping = () =>
  useMappingMutation(({ id, body }: { id: string | undefined; body: NewMapping }) =>
    id === undefined
      ? answer(api.POST('/api/v1/rbac-mappings', { body }))
      : answer(api.PATCH('/api/v1/rbac-mappings/{id}', { ...path(id), body })),
  )

export const useRemoveMapping = () =>
  useMappingMutation((id: string) => answer(api.DELETE('/api/v1/rbac-mappings/{id}', path(id))))

/** Tries a sign-in; changes nothing. */
export const useTrial = () =>
  useMutation({ mutationFn: (body: SsoTest) => answer(api.POST('/api/v1/admin/sso/test', { body })) })
