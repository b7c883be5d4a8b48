import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import type { Overrides } from '~/api/types'

export const settingsQuery = queryOptions({
  queryKey: keys.settings,
  queryFn: ({ signal }) => answer(api.GET('/api/v1/config', { signal })),
})

/** Changes settings on every server; null takes one back. */
export function useChangeSettings() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (body: Overrides) => answer(api.PATCH('/api/v1/config', { body })),
    onSuccess: (settings) => client.setQueryData(settingsQuery.queryKey, settings),
  })
}
