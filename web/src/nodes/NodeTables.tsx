import { Table, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { NodeDetail, Phase } from '~/api/types'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { StateBadge } from '~/components/StateBadge'
import { RelativeTime } from '~/components/Time'
import { strings } from '~/strings'

const words = strings.nodes

function Nothing({ children }: { children: string }) {
  return <Text size="sm">{children}</Text>
}

export function SessionsHere({ sessions }: { sessions: NodeDetail['sessionsHere'] }) {
  if (sessions.length === 0) return <Nothing>{words.noSessions}</Nothing>
  const columns = [
    { title: words.sessions },
    { title: words.owner, width: 160 },
    { title: words.phase, width: 140, wide: true },
    { title: words.started, width: 150, wide: true },
  ]
  return (
    <DataTable label={words.sessionsHere} columns={columns}>
      {sessions.map(({ name, displayName, user, template, phase, startedAt }) => (
        <Table.Tr key={name}>
          <Table.Td>
            <Link to="/sessions/$id" params={{ id: name }} className={table.link}>
              {displayName}
            </Link>
            <Text size="xs" c="dimmed">
              {template}
            </Text>
          </Table.Td>
          <Table.Td>{user}</Table.Td>
          <Table.Td data-wide>
            <StateBadge phase={phase as Phase} />
          </Table.Td>
          <Table.Td data-wide>
            <RelativeTime at={startedAt} />
          </Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  )
}

export function PodTable({ pods }: { pods: NodeDetail['podsHere'] }) {
  if (pods.length === 0) return <Nothing>{words.noPods}</Nothing>
  const columns = [
    { title: words.pods },
    { title: words.phase, width: 120 },
    { title: words.keeper, width: 150, wide: true },
    { title: words.started, width: 150, wide: true },
  ]
  return (
    <DataTable label={words.podsHere} columns={columns} dense>
      {pods.map(({ namespace, name, phase, controlledBy, createdAt }) => (
        <Table.Tr key={`${namespace}/${name}`}>
          <Table.Td>
            <code className={table.code}>{name}</code>
            <Text size="xs" c="dimmed">
              {namespace}
            </Text>
          </Table.Td>
          <Table.Td>{phase}</Table.Td>
          <Table.Td data-wide>{controlledBy ?? words.nobody}</Table.Td>
          <Table.Td data-wide>
            <RelativeTime at={createdAt} />
          </Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  )
}

export function ConditionTable({ conditions }: { conditions: NodeDetail['conditions'] }) {
  const columns = [
    { title: words.condition },
    { title: words.holds, width: 110 },
    { title: words.why, wide: true },
    { title: words.since, width: 150, wide: true },
  ]
  return (
    <DataTable label={words.conditions} columns={columns} dense>
      {conditions.map(({ type, status, message, lastTransitionTime }) => (
        <Table.Tr key={type}>
          <Table.Td>
            {type}
            <div className={table.narrow}>{message}</div>
          </Table.Td>
          <Table.Td>{status}</Table.Td>
          <Table.Td data-wide>{message}</Table.Td>
          <Table.Td data-wide>
            <RelativeTime at={lastTransitionTime} />
          </Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  )
}

export function EventTable({ events }: { events: NodeDetail['events'] }) {
  if (events.length === 0) return <Nothing>{words.noEvents}</Nothing>
  const columns = [{ title: words.event }, { title: words.why, wide: true }, { title: words.since, width: 150 }]
  return (
    <DataTable label={words.events} columns={columns} dense>
      {events.map(({ reason, message, lastTimestamp }, place) => (
        <Table.Tr key={`${lastTimestamp} ${reason} ${place}`}>
          <Table.Td>
            {reason}
            <div className={table.narrow}>{message}</div>
          </Table.Td>
          <Table.Td data-wide>{message}</Table.Td>
          <Table.Td>
            <RelativeTime at={lastTimestamp} />
          </Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  )
}
