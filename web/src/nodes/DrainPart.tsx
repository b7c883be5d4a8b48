import { Anchor, Button, Group, Stack, Text } from '@mantine/core'
import { IconPlayerStop } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { DrainPod, DrainSession, Job } from '~/api/types'
import { JobBadge } from '~/components/JobBadge'
import { JobProgress } from '~/components/JobProgress'
import { Part } from '~/components/Part'
import { RelativeTime } from '~/components/Time'
import { useJobActions } from '~/components/useJobActions'
import { isActive } from '~/lib/job'
import { useJobFeed } from '~/live/jobs'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import { DrainPods } from './DrainPods'
import { DrainSessions } from './DrainSessions'
import { latestDrainQuery } from './queries'

const words = strings.nodes

/** The latest drain of a node, as it goes on and how it ended. */
export function DrainPart({ name }: { name: string }) {
  useJobFeed()
  const job = useQuery(latestDrainQuery(name)).data?.items[0]
  if (!job) return null
  return (
    <Part title={words.drainLatest}>
      <div className={layout.panel}>
        <Drain job={job} />
      </div>
    </Part>
  )
}

function Drain({ job }: { job: Job }) {
  const { cancel, busy } = useJobActions(job)
  const { sessions, pods } = toldBy(job)
  return (
    <Stack gap="md">
      <Group gap="md">
        <JobBadge status={job.status} live />
        {job.cancelRequested && isActive(job) && <Text size="sm">{strings.jobs.cancelling}</Text>}
        <Text size="sm" c="dimmed">
          <RelativeTime at={job.createdAt} /> · {job.createdBy}
        </Text>
        <Anchor size="sm" renderRoot={(props) => <Link {...props} to="/admin/jobs/$id" params={{ id: job.id }} />}>
          {words.drainOpen}
        </Anchor>
        {cancel && (
          <Button size="xs" variant="default" leftSection={<IconPlayerStop size={15} />} loading={busy} onClick={cancel}>
            {strings.jobs.cancel}
          </Button>
        )}
      </Group>
      <JobProgress job={job} />
      {job.error && (
        <Text size="sm" c="var(--state-bad)">
          {job.error}
        </Text>
      )}
      {sessions.length > 0 && <DrainSessions label={words.drainLatest} sessions={sessions} />}
      <DrainPods label={words.drainPods} pods={pods} />
    </Stack>
  )
}

interface Told {
  sessions: readonly DrainSession[]
  pods: readonly DrainPod[]
}

/** What a drain has told so far of each session and pod; the document leaves open what jobs write there. */
function toldBy({ result }: Job): Told {
  const told = result as Partial<Told> | null | undefined
  return { sessions: told?.sessions ?? [], pods: told?.pods ?? [] }
}
