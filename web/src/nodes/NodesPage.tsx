import { Group, Stack, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Node } from '~/api/types'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { PageTitle } from '~/components/PageTitle'
import { Part } from '~/components/Part'
import { ProblemAlert } from '~/components/ProblemAlert'
import { TableSkeleton } from '~/components/TableSkeleton'
import { RelativeTime } from '~/components/Time'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import { LoadMeter, LoadMeters } from './LoadMeters'
import { NodeBadge } from './NodeBadge'
import { nodesQuery, nodeStatsQuery } from './queries'
import { useNodeFeed } from './useNodeFeed'

const words = strings.nodes

/** The machines that sessions run on, and how they stand. */
export function NodesPage() {
  const refetchInterval = useNodeFeed()
  const { data: nodes, error, isPending, isLoadingError, refetch } = useQuery({ ...nodesQuery, refetchInterval })
  return (
    <>
      <PageTitle title={words.title} />
      {isPending && <TableSkeleton rows={3} />}
      {isLoadingError && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
      {nodes && (
        <Stack gap="lg">
          {nodes.length > 1 && <Sums refetchInterval={refetchInterval} />}
          <NodeTable nodes={nodes} />
        </Stack>
      )}
    </>
  )
}

/** Of one machine the sums would say the same again. */
function Sums({ refetchInterval }: { refetchInterval: number | false }) {
  const { data: stats } = useQuery({ ...nodeStatsQuery, refetchInterval })
  if (!stats) return null
  return (
    <Part title={words.whole}>
      <div className={layout.panel}>
        <Stack gap="md">
          <Text size="sm">{words.readyOf(stats.ready, stats.nodes)}</Text>
          <LoadMeters load={stats} />
        </Stack>
      </div>
    </Part>
  )
}

function NodeTable({ nodes }: { nodes: readonly Node[] }) {
  const gpus = nodes.some(({ gpu }) => gpu)
  const pods = nodes.some((node) => typeof node.pods === 'number')
  return (
    <DataTable
      label={words.title}
      columns={[
        { title: words.name },
        { title: words.state, width: 130, wide: true },
        { title: words.cpu, width: '22%', wide: true },
        { title: words.memory, width: '22%', wide: true },
        ...(gpus ? [{ title: words.gpu, width: 130, wide: true }] : []),
        { title: words.sessions, width: 90, wide: true },
        ...(pods ? [{ title: words.pods, width: 70, wide: true }] : []),
        { title: words.age, width: 130, wide: true },
      ]}
    >
      {nodes.map((node) => (
        <NodeRow key={node.name} node={node} gpus={gpus} pods={pods} />
      ))}
    </DataTable>
  )
}

function NodeRow({ node, gpus, pods }: { node: Node; gpus: boolean; pods: boolean }) {
  const { name, roles, provider, zone, region, gpu, sessions, createdAt } = node
  const where = [...roles, provider, zone ?? region].filter(Boolean).join(' · ')
  return (
    <Table.Tr>
      <Table.Td>
        <Link to="/admin/nodes/$name" params={{ name }} className={table.link}>
          {name}
        </Link>
        {where !== '' && (
          <Text size="xs" c="dimmed">
            {where}
          </Text>
        )}
        <div className={table.narrow}>
          <Group gap="xs">
            <NodeBadge node={node} />
            {words.sessions}: {sessions}
          </Group>
          <LoadMeter load={node} of="cpu" />
          <LoadMeter load={node} of="memory" />
        </div>
      </Table.Td>
      <Table.Td data-wide>
        <NodeBadge node={node} />
      </Table.Td>
      <Table.Td data-wide>
        <LoadMeter load={node} of="cpu" />
      </Table.Td>
      <Table.Td data-wide>
        <LoadMeter load={node} of="memory" />
      </Table.Td>
      {gpus && <Table.Td data-wide>{gpu ? words.gpuOf(gpu.count, gpu.model ?? gpu.vendor) : '–'}</Table.Td>}
      <Table.Td data-wide>{sessions}</Table.Td>
      {pods && <Table.Td data-wide>{node.pods}</Table.Td>}
      <Table.Td data-wide>
        <RelativeTime at={createdAt} />
      </Table.Td>
    </Table.Tr>
  )
}
