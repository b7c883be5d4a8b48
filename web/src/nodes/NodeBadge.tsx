import type { Node } from '~/api/types'
import { Badge } from '~/components/Badge'
import { strings } from '~/strings'

const words = strings.nodes

/** How a node is: its health, and whether it takes sessions. */
export function NodeBadge({ node, live = false }: { node: Pick<Node, 'ready' | 'schedulable'>; live?: boolean }) {
  if (!node.ready) return <Badge look="failed" word={words.notReady} live={live} />
  if (!node.schedulable) return <Badge look="ending" word={words.cordoned} live={live} />
  return <Badge look="good" word={words.ready} live={live} />
}
