import { useMutation, useQueryClient } from '@tanstack/react-query'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import type { DrainWish, Node, NodeTaint } from '~/api/types'
import { putNode } from './useNodeFeed'

/** Shows what became of the node, and looks again at the rest. */
function useNodeMutation<Variables>(mutationFn: (variables: Variables) => Promise<Node>) {
  const client = useQueryClient()
  return useMutation({
    mutationFn,
    onSuccess: (node) => {
      putNode(client, node)
      void client.invalidateQueries({ queryKey: keys.nodeStats })
    },
  })
}

const path = (name: string) => ({ path: { name } })

export const useCordon = (name: string) =>
  useNodeMutation((cordon: boolean) =>
    cordon
      ? answer(api.POST('/api/admin/nodes/{name}/cordon', { params: path(name) }))
      : answer(api.POST('/api/admin/nodes/{name}/uncordon', { params: path(name) })),
  )

export const useSetLabel = (name: string) =>
  useNodeMutation((body: { key: string; value: string }) =>
    answer(api.PUT('/api/admin/nodes/{name}/labels', { params: path(name), body })),
  )

export const useRemoveLabel = (name: string) =>
  useNodeMutation((key: string) =>
    answer(api.DELETE('/api/admin/nodes/{name}/labels/{key}', { params: { path: { name, key } } })),
  )

export const useSetTaint = (name: string) =>
  useNodeMutation((body: NodeTaint) =>
    answer(api.POST('/api/admin/nodes/{name}/taints', { params: path(name), body })),
  )

export const useRemoveTaint = (name: string) =>
  useNodeMutation(({ key, effect }: Pick<NodeTaint, 'key' | 'effect'>) =>
    answer(api.DELETE('/api/admin/nodes/{name}/taints/{key}', { params: { path: { name, key }, query: { effect } } })),
  )

/** Has the node emptied; the feed of jobs tells how far it is. */
export function useDrain(name: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (wish: DrainWish) =>
      answer(api.POST('/api/admin/nodes/{name}/drain', { params: path(name), body: { ...wish, dryRun: false } })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.jobs })
      void client.invalidateQueries({ queryKey: keys.node(name) })
    },
  })
}
