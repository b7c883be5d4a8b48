import { Table, Text } from '@mantine/core'
import type { DrainSession } from '~/api/types'
import { Badge, type Look } from '~/components/Badge'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { RelativeTime } from '~/components/Time'
import { strings } from '~/strings'
import { Hindrance } from './Hindrance'

const words = strings.nodes

const LOOKS: Record<DrainSession['step'], Look> = {
  hibernate: 'settling',
  warn: 'waiting',
  wait: 'waiting',
  move: 'working',
  moving: 'working',
  moved: 'good',
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
      {sessions.map(({ uid, name, user, displayName, step, stopsAt, node, blockedBy, message }) => (
        <Table.Tr key={uid}>
          <Table.Td>
            {displayName}
            <Text size="xs" c="dimmed" className={table.message}>
              {user} · {name}
            </Text>
            <Hindrance blockedBy={blockedBy} message={message} />
          </Table.Td>
          <Table.Td>
            <Badge look={LOOKS[step]} word={node ? words.movedTo(node) : words.steps[step]} />
          </Table.Td>
          <Table.Td data-wide>{step === 'hibernate' || step === 'move' ? words.atOnce : <RelativeTime at={stopsAt} />}</Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  )
}
