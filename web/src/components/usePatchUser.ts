import { useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import type { Role } from '~/api/types'

export function usePatchUser() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ name, change }: { name: string; change: { roles?: Role[]; disabled?: boolean } }) =>
      answer(api.PATCH('/api/v1/users/{name}', { params: { path: { name } }, body: change })),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.users }),
  })
}
