import { Skeleton, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Delivery } from '~/api/types'
import { Badge, type Look } from '~/components/Badge'
import table from '~/components/DataTable.module.css'
import { Part } from '~/components/Part'
import { ProblemAlert } from '~/components/ProblemAlert'
import { RelativeTime } from '~/components/Time'
import { formatExact, parseTime } from '~/lib/time'
import { strings } from '~/strings'
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
    <div className={table.frame}>
      <Table aria-label={words.deliveries} className={table.table} verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={140}>{words.received}</Table.Th>
            <Table.Th data-wide w={140}>
              {words.provider}
            </Table.Th>
            <Table.Th data-wide>{words.event}</Table.Th>
            <Table.Th>{words.outcome}</Table.Th>
            <Table.Th w={64}>
              <span className="visually-hidden">{words.job}</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {deliveries.map((delivery) => (
            <DeliveryRow key={delivery.id} delivery={delivery} />
          ))}
        </Table.Tbody>
      </Table>
    </div>
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
        {job && (
          <Link
            to="/admin/jobs/$id"
            params={{ id: job }}
            className={table.link}
            aria-label={words.jobOf(formatExact(parseTime(receivedAt) ?? 0))}
          >
            {words.job}
          </Link>
        )}
      </Table.Td>
    </Table.Tr>
  )
}
