import { useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import type { NewGrant, NewRepository, RepositoryChange } from '~/api/types'

/** After it, everything that is shown of the catalog is looked at again. */
function useCatalogMutation<Variables, Result>(mutationFn: (variables: Variables) => Promise<Result>) {
  const client = useQueryClient()
  return useMutation({
    mutationFn,
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.catalog })
      void client.invalidateQueries({ queryKey: keys.jobs })
    },
  })
}

const path = (id: string) => ({ path: { id } })

export const useSyncRepository = () =>
  useCatalogMutation((id: string) => answer(api.POST('/api/v1/catalog/repositories/{id}/sync', { params: path(id) })))

export const useSyncAll = () => useCatalogMutation(() => answer(api.POST('/api/v1/catalog/sync')))

export const useAddRepository = () =>
  useCatalogMutation((body: NewRepository) => answer(api.POST('/api/v1/catalog/repositories', { body })))

export const useChangeRepository = (id: string) =>
  useCatalogMutation((change: RepositoryChange) =>
    answer(
      api.PATCH('/api/v1/catalog/repositories/{id}', {
        params: path(id),
        // A merge patch: what is left out stays. The document describes the whole of a repository.
        body: change as NewRepository,
        headers: { 'content-type': 'application/merge-patch+json' },
      }),
    ),
  )

export const useRemoveRepository = () =>
  useCatalogMutation((id: string) => answer(api.DELETE('/api/v1/catalog/repositories/{id}', { params: path(id) })))

export const useRenewSecret = (id: string) =>
  useCatalogMutation(() =>
    answer(api.POST('/api/v1/catalog/repositories/{id}/webhook-secret', { params: path(id) })),
  )

export interface Install {
  catalogTemplateId: string
  name?: string
  version?: string
}

export const useInstall = () =>
  useCatalogMutation((body: Install) => answer(api.POST('/api/v1/catalog/install', { body })))

/** Brings the template `name` of the cluster to another version: the latest, or the one it had before. */
export const useMoveTemplate = () =>
  useCatalogMutation(({ name, way, version }: { name: string; way: 'upgrade' | 'rollback'; version?: string }) => {
    const options = { params: path(name), body: version === undefined ? {} : { version } }
    return way === 'upgrade'
      ? answer(api.POST('/api/v1/templates/{id}/upgrade', options))
      : answer(api.POST('/api/v1/templates/{id}/rollback', options))
  })

export const useGrant = () =>
  useCatalogMutation((body: NewGrant) => answer(api.POST('/api/v1/catalog/grants', { body })))

export const useRevokeGrant = () =>
  useCatalogMutation((id: string) => answer(api.DELETE('/api/v1/catalog/grants/{id}', { params: path(id) })))
