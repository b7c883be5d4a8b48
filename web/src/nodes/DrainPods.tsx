import { Table, Text } from '@mantine/core'
import type { DrainPod } from '~/api/types'
import { Badge, type Look } from '~/components/Badge'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { strings } from '~/strings'
import { Hindrance } from './Hindrance'

const words = strings.nodes

const LOOKS: Record<DrainPod['step'], Look> = {
  evict: 'working',
  session: 'settling',
  skip: 'ended',
  blocked: 'waiting',
  evicting: 'ending',
  gone: 'ended',
  stayed: 'failed',
}

/** What is to become of the pods that run no sessions, or has; nothing where there are none. */
export function DrainPods({ label, pods }: { label: string; pods: readonly DrainPod[] }) {
  const others = pods.filter(({ session }) => !session)
  if (others.length === 0) return null
  const columns = [{ title: words.pods }, { title: words.keeper, width: 130, wide: true }, { title: words.state, width: 170 }]
  return (
    <DataTable label={label} columns={columns} dense>
      {others.map(({ uid, namespace, name, controlledBy, step, blockedBy, message }) => (
        <Table.Tr key={uid}>
          <Table.Td>
            <code className={table.code}>{name}</code>
            <Text size="xs" c="dimmed">
              {namespace}
            </Text>
            <Hindrance blockedBy={blockedBy} message={message} />
          </Table.Td>
          <Table.Td data-wide>{controlledBy ?? words.nobody}</Table.Td>
          <Table.Td>
            <Badge look={LOOKS[step]} word={words.podSteps[step]} />
          </Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  )
}
