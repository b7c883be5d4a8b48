import { Table, Text } from '@mantine/core'
import type { DrainSession } from '~/api/types'
import { Badge, type Look } from '~/components/Badge'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { RelativeTime } from '~/components/Time'
import { strings } from '~/strings'

const words = strings.nodes

const LOOKS: Record<DrainSession['step'], Look> = {
  hibernate: 'settling',
  warn: 'waiting',
  wait: 'waiting',
  stopping: 'ending',
  hibernated: 'asleep',
  ended: 'ended',
  stayed: 'failed',
}

/** What is to become of each session, or has. */
export function DrainSessions({ label, sessions }: { label: string; sessions: readonly DrainSession[] }) {
  const columns = [
    { title: words.sessions },
    { title: words.state, width: 170 },
    { title: words.until, width: 150, wide: true },
  ]
  return (
    <DataTable label={label} columns={columns} dense>
      {sessions.map(({ uid, name, user, displayName, step, stopsAt }) => (
        <Table.Tr key={uid}>
          <Table.Td>
            {displayName}
            <Text size="xs" c="dimmed" className={table.message}>
              {user} · {name}
            </Text>
          </Table.Td>
          <Table.Td>
            <Badge look={LOOKS[step]} word={words.steps[step]} />
          </Table.Td>
          <Table.Td data-wide>{step === 'hibernate' ? words.atOnce : <RelativeTime at={stopsAt} />}</Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  )
}
