import { Text } from '@mantine/core'
import { strings } from '~/strings'

/** What keeps a session or a pod from going, where something does. */
export function Hindrance({ blockedBy, message }: { blockedBy?: readonly string[]; message?: string | null }) {
  const text = message ?? (blockedBy?.length ? strings.nodes.blockedBy(blockedBy.join(', ')) : undefined)
  if (!text) return null
  return (
    <Text size="xs" c="var(--state-warn)">
      {text}
    </Text>
  )
}
