import { Skeleton, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { Delivery } from '~/api/types'
import { Badge, type Look } from '~/components/Badge'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { Part } from '~/components/Part'
import { ProblemAlert } from '~/components/ProblemAlert'
import { RelativeTime } from '~/components/Time'
import { strings } from '~/strings'
import { JobLink } from './JobLink'
import { deliveriesQuery } from './queries'

const words = strings.repositories

/** The latest webhooks, and what became of each. */
export function DeliveriesPart({ id }: { id: string }) {
  const { data, error, isPending, refetch } = useQuery(deliveriesQuery(id))
  return (
    <Part title={words.deliveries}>
      {isPending && <Skeleton h={80} />}
      {error && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
      {data?.length === 0 && <Text size="sm">{words.noDeliveries}</Text>}
      {data && data.length > 0 && <DeliveryTable deliveries={data} />}
    </Part>
  )
}

function DeliveryTable({ deliveries }: { deliveries: readonly Delivery[] }) {
  return (
    <DataTable
      label={words.deliveries}
      columns={[
        { title: words.received, width: 140 },
        { title: words.provider, width: 140, wide: true },
        { title: words.event, wide: true },
        { title: words.outcome },
        { title: words.job, width: 64, unseen: true },
      ]}
    >
      {deliveries.map((delivery) => (
        <DeliveryRow key={delivery.id} delivery={delivery} />
      ))}
    </DataTable>
  )
}

const LOOKS: Readonly<Record<string, Look>> = { accepted: 'good', pong: 'good', ignored: 'ended', replayed: 'failed' }

function DeliveryRow({ delivery: { receivedAt, provider, event, reference, result, reason, job } }: { delivery: Delivery }) {
  return (
    <Table.Tr>
      <Table.Td>
        <RelativeTime at={receivedAt} />
      </Table.Td>
      <Table.Td data-wide>{words.providers[provider] ?? provider}</Table.Td>
      <Table.Td data-wide>
        {event}
        {reference && (
          <Text size="xs" c="dimmed" className={table.message}>
            {reference}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <Badge look={LOOKS[result] ?? 'ended'} word={words.outcomes[result] ?? result} />
        {reason && (
          <Text size="xs" c="dimmed" className={table.message}>
            {reason}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        {job && <JobLink job={job} at={receivedAt} />}
      </Table.Td>
    </Table.Tr>
  )
}
