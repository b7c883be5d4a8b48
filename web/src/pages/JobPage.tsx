import { Button, Code, Group, Skeleton, Stack, Text } from '@mantine/core'
import { IconPlayerPlay, IconPlayerStop } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { jobQuery } from '~/api/queries'
import type { Job } from '~/api/types'
import { BackLink } from '~/components/BackLink'
import classes from '~/components/DataTable.module.css'
import { Facts } from '~/components/Facts'
import { JobBadge } from '~/components/JobBadge'
import { JobLog } from '~/components/JobLog'
import { JobProgress } from '~/components/JobProgress'
import { JobTarget } from '~/components/JobTarget'
import { Missing } from '~/components/Missing'
import { PageTitle } from '~/components/PageTitle'
import { Part } from '~/components/Part'
import { ProblemAlert } from '~/components/ProblemAlert'
import { RelativeTime } from '~/components/Time'
import { useJobActions } from '~/components/useJobActions'
import { formatDuration } from '~/lib/duration'
import { isActive, workOf } from '~/lib/job'
import { parseTime } from '~/lib/time'
import { useJobFeed } from '~/live/jobs'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'

const route = getRouteApi('/authed/shell/admin/jobs/$id')
const words = strings.jobs

/** One job: how far it is, what it said, what came of it, and what can be done about it. */
export function JobPage() {
  const { id } = route.useParams()
  const { data: job, error, isPending, refetch } = useQuery(jobQuery(id))
  useJobFeed()
  if (isPending) return <Loading />
  if (error) {
    if (error.status === 404) return <Missing kind="job" />
    return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  }
  return (
    <>
      <BackLink to="/admin/jobs">{words.title}</BackLink>
      <PageTitle title={workOf(job)}>
        <Actions job={job} />
      </PageTitle>
      <Stack gap="lg">
        <div className={layout.panel}>
          <Stack gap="md">
            <Group gap="md">
              <JobBadge status={job.status} live />
              {job.cancelRequested && isActive(job) && <Text size="sm">{words.cancelling}</Text>}
            </Group>
            <JobProgress job={job} />
            {job.error && <Failure job={job} error={job.error} />}
            <JobFacts job={job} />
          </Stack>
        </div>
        {job.result && (
          <Part title={words.result}>
            <Code block>{JSON.stringify(job.result, null, 2)}</Code>
          </Part>
        )}
        <Part title={words.log}>
          <JobLog id={id} live={isActive(job)} />
        </Part>
      </Stack>
    </>
  )
}

function Actions({ job }: { job: Job }) {
  const { cancel, again, busy } = useJobActions(job)
  return (
    <Group gap="sm">
      {again && (
        <Button leftSection={<IconPlayerPlay size={16} />} loading={busy} onClick={again}>
          {words.again}
        </Button>
      )}
      {cancel && (
        <Button variant="default" leftSection={<IconPlayerStop size={16} />} loading={busy} onClick={cancel}>
          {words.cancel}
        </Button>
      )}
    </Group>
  )
}

/** Of a job that goes on, why its latest attempt came to nothing. */
function Failure({ job, error }: { job: Job; error: string }) {
  return (
    <Text size="sm" c={isActive(job) ? 'var(--state-warn)' : 'var(--state-bad)'} className={classes.message}>
      {error}
    </Text>
  )
}

function JobFacts({ job }: { job: Job }) {
  const [started, finished] = [parseTime(job.startedAt), parseTime(job.finishedAt)]
  const took = started === undefined || finished === undefined ? 0 : (finished - started) / 1000
  const waits = job.status === 'PENDING' && job.attempt > 0
  const facts: [string, ReactNode][] = [
    [words.target, <JobTarget key="target" job={job} />],
    [words.by, job.createdBy ?? words.platform],
    [words.created, <RelativeTime key="created" at={job.createdAt} />],
    [words.attempts, words.attempt(job.attempt, job.maxAttempts)],
    [words.started, job.startedAt && <RelativeTime key="started" at={job.startedAt} />],
    [words.next, waits && <RelativeTime key="next" at={job.runAfter} />],
    [words.finished, job.finishedAt && <RelativeTime key="finished" at={job.finishedAt} />],
    [words.took, took >= 1 && formatDuration(took)],
    [words.id, <code key="id">{job.id}</code>],
    [words.request, job.correlationId && <code key="request">{job.correlationId}</code>],
  ]
  return <Facts facts={facts} />
}

/** As large as what will stand there. */
function Loading() {
  return (
    <Stack gap="lg" aria-hidden="true">
      <Skeleton h={36} w="40%" />
      <Skeleton h={220} />
      <Skeleton h={160} />
    </Stack>
  )
}
