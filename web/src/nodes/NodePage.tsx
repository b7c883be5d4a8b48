import { Group, Skeleton, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useMe } from '~/api/hooks'
import type { NodeDetail } from '~/api/types'
import { BackLink } from '~/components/BackLink'
import { Facts, type Fact } from '~/components/Facts'
import { Missing } from '~/components/Missing'
import { PageTitle } from '~/components/PageTitle'
import { Part } from '~/components/Part'
import { ProblemAlert } from '~/components/ProblemAlert'
import { RelativeTime } from '~/components/Time'
import { mayChangeNodes } from '~/lib/permissions'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import { CordonButton } from './CordonButton'
import { DrainButton } from './DrainDialog'
import { DrainPart } from './DrainPart'
import { LabelsPart } from './LabelsPart'
import { LoadMeters } from './LoadMeters'
import { NodeBadge } from './NodeBadge'
import { ConditionTable, EventTable, PodTable, SessionsHere } from './NodeTables'
import { nodeQuery } from './queries'
import { TaintsPart } from './TaintsPart'
import { useNodeFeed } from './useNodeFeed'

const route = getRouteApi('/authed/shell/admin/nodes/$name')
const words = strings.nodes

/** One machine: what it has and how it is, what runs there, what happened to it, and what can be done about it. */
export function NodePage() {
  const { name } = route.useParams()
  const may = mayChangeNodes(useMe())
  const refetchInterval = useNodeFeed()
  const { data: node, error, isPending, refetch } = useQuery({ ...nodeQuery(name), refetchInterval })
  if (isPending) return <Loading />
  if (error) {
    if (error.status === 404) return <Missing kind="node" />
    return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  }
  return (
    <>
      <BackLink to="/admin/nodes">{words.title}</BackLink>
      <PageTitle title={node.name}>
        {may && (
          <Group gap="sm">
            <CordonButton node={node} />
            <DrainButton node={node} />
          </Group>
        )}
      </PageTitle>
      <Stack gap="xl">
        <div className={layout.panels}>
          <div className={layout.panel}>
            <Capacity node={node} />
          </div>
          <div className={layout.panel}>
            <Facts facts={factsOf(node)} />
          </div>
        </div>
        <DrainPart name={name} />
        <Part title={words.sessionsHere}>
          <SessionsHere sessions={node.sessionsHere} />
        </Part>
        {typeof node.pods === 'number' && (
          <Part title={words.podsHere}>
            <PodTable pods={node.podsHere} />
          </Part>
        )}
        <Part title={words.conditions}>
          <ConditionTable conditions={node.conditions} />
        </Part>
        <LabelsPart node={node} may={may} />
        <TaintsPart node={node} may={may} />
        <Part title={words.events}>
          <EventTable events={node.events} />
        </Part>
      </Stack>
    </>
  )
}

function Capacity({ node }: { node: NodeDetail }) {
  return (
    <Stack gap="md">
      <Group gap="md">
        <NodeBadge node={node} live />
      </Group>
      <LoadMeters load={node} />
      {!node.used && (
        <Text size="xs" c="dimmed">
          {words.unmeasured}
        </Text>
      )}
    </Stack>
  )
}

function factsOf({ versions, provider, region, zone, roles, gpu, createdAt }: NodeDetail): Fact[] {
  return [
    [words.system, versions.os],
    [words.kernel, versions.kernel],
    [words.architecture, versions.architecture],
    [words.kubelet, versions.kubelet],
    [words.runtime, versions.containerRuntime],
    [words.platform, versions.streamspace],
    [words.provider, provider],
    [words.region, region],
    [words.zone, zone],
    [words.roles, roles.join(', ')],
    [words.gpus, gpu && words.gpuOf(gpu.count, gpu.model ?? gpu.vendor)],
    [words.age, <RelativeTime key="age" at={createdAt} />],
  ]
}

/** As large as what will stand there. */
function Loading() {
  return (
    <Stack gap="lg" aria-hidden="true">
      <Skeleton h={36} w="40%" />
      <div className={layout.panels}>
        <Skeleton h={200} />
        <Skeleton h={200} />
      </div>
      <Skeleton h={160} />
    </Stack>
  )
}
