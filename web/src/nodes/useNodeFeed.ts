import { useQueryClient, type QueryClient } from '@tanstack/react-query'
import { useEffect, useEffectEvent } from 'react'
import { useMe } from '~/api/hooks'
import { keys } from '~/api/keys'
import type { Node, NodeDetail, NodeStats } from '~/api/types'
import { mayFollowNodes } from '~/lib/permissions'
import { useLive } from '~/live/LiveProvider'
import type { Message } from '~/live/messages'

/** For those who may look at the nodes, but are not told of them. */
const POLL_MS = 15_000

const byName = (one: Node, other: Node) => one.name.localeCompare(other.name)

/** What of a node is a figure: all else of it means that what is on it may be otherwise. */
function movesWhatIsThere(old: Node, node: Node): boolean {
  return old.sessions !== node.sessions || old.pods !== node.pods || old.resourceVersion !== node.resourceVersion
}

/** Writes a node, as an answer or the feed brought it, wherever it is shown. */
export function putNode(client: QueryClient, node: Node): void {
  client.setQueryData<readonly Node[]>(keys.nodes, (nodes) =>
    nodes && [...nodes.filter(({ name }) => name !== node.name), node].sort(byName),
  )
  const known = client.getQueryData<NodeDetail>(keys.node(node.name))
  if (!known) return
  client.setQueryData<NodeDetail>(keys.node(node.name), { ...known, ...node })
  if (movesWhatIsThere(known, node)) void client.invalidateQueries({ queryKey: keys.node(node.name) })
}

function take(client: QueryClient, message: Message): void {
  switch (message.type) {
    case 'snapshot':
      client.setQueryData<readonly Node[]>(keys.nodes, message.items as Node[])
      for (const node of message.items as Node[]) putNode(client, node)
      if (message.metrics) client.setQueryData<NodeStats>(keys.nodeStats, message.metrics)
      return
    case 'node.updated':
      putNode(client, message.node)
      return
    case 'node.deleted':
      client.setQueryData<readonly Node[]>(keys.nodes, (nodes) =>
        nodes?.filter(({ name }) => name !== message.node.name),
      )
      void client.resetQueries({ queryKey: keys.node(message.node.name) })
      return
    case 'cluster.metrics':
      client.setQueryData<NodeStats>(keys.nodeStats, message.metrics)
      return
    default:
      return
  }
}

/**
 * Keeps what is shown of the nodes up to date while mounted. The result is for `refetchInterval`: those who may not
 * follow them look now and then.
 */
export function useNodeFeed(): number | false {
  const client = useQueryClient()
  const { subscribe } = useLive()
  const may = mayFollowNodes(useMe())
  const onMessage = useEffectEvent((message: Message) => take(client, message))
  useEffect(() => (may ? subscribe('cluster', (message) => onMessage(message)) : undefined), [may, subscribe])
  return may ? false : POLL_MS
}
