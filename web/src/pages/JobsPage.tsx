import { ActionIcon, Button, Group, Menu, Table, Text } from '@mantine/core'
import { IconDotsVertical, IconPlayerPlay, IconPlayerStop, IconSubtask } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { deadJobsQuery, JOB_PAGE_SIZE, jobsQuery } from '~/api/queries'
import type { Job, JobStatus } from '~/api/types'
import { DataTable } from '~/components/DataTable'
import classes from '~/components/DataTable.module.css'
import { EmptyState } from '~/components/EmptyState'
import { FilterSelect } from '~/components/FilterSelect'
import { JobBadge } from '~/components/JobBadge'
import { JobProgress } from '~/components/JobProgress'
import { JobTarget } from '~/components/JobTarget'
import { NothingFound } from '~/components/NothingFound'
import { Note } from '~/components/Note'
import { Pages } from '~/components/Pages'
import { PageTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { SearchInput } from '~/components/SearchInput'
import { TableSkeleton } from '~/components/TableSkeleton'
import { RelativeTime } from '~/components/Time'
import { useJobActions } from '~/components/useJobActions'
import { JOB_STATES, workOf } from '~/lib/job'
import { useJobFeed } from '~/live/jobs'
import { strings } from '~/strings'

const route = getRouteApi('/authed/shell/admin/jobs')
const words = strings.jobs

/** Long work: what waits, what runs and how far it is, what failed, and what was given up. */
export function JobsPage() {
  const filter = route.useSearch()
  const navigate = route.useNavigate()
  const jobs = useQuery({ ...jobsQuery(filter), placeholderData: keepPreviousData })
  useJobFeed()
  const any = filter.search !== undefined || filter.status !== undefined
  const total = jobs.data?.total ?? 0
  return (
    <>
      <PageTitle title={words.title} />
      <DeadLetters shown={filter.status === 'DEAD'} />
      {(any || total > 0 || jobs.isPending) && <Filters />}
      {jobs.isPending && <TableSkeleton rows={6} />}
      {jobs.isLoadingError && <ProblemAlert problem={jobs.error} onRetry={() => void jobs.refetch()} />}
      {jobs.data && (any || total > 0) && (
        <Text size="sm" c="dimmed" role="status" mb="sm">
          {words.found(total)}
        </Text>
      )}
      {jobs.data && total > 0 && <JobTable jobs={jobs.data.items} busy={jobs.isPlaceholderData} />}
      {jobs.data && total === 0 && (any ? <NothingFound words={words} onClear={() => void navigate({ search: {} })} /> : <NoJobs />)}
      <Pages
        page={filter.page ?? 1}
        pages={Math.ceil(total / JOB_PAGE_SIZE)}
        onPage={(page) => void navigate({ search: (old) => ({ ...old, page }) })}
      />
    </>
  )
}

/** Nobody would look for them, and nothing more happens to them by itself. */
function DeadLetters({ shown }: { shown: boolean }) {
  const dead = useQuery(deadJobsQuery).data?.total ?? 0
  if (dead === 0 || shown) return null
  return (
    <Note title={words.dead(dead)} text={words.deadText}>
      <Button
        size="xs"
        variant="default"
        renderRoot={(props) => <Link {...props} to="/admin/jobs" search={{ status: 'DEAD' }} />}
      >
        {words.showDead}
      </Button>
    </Note>
  )
}

function Filters() {
  const { search = '', status } = route.useSearch()
  const navigate = route.useNavigate()
  const set = (change: { search?: string | undefined; status?: JobStatus | undefined }) =>
    void navigate({ search: (old) => ({ ...old, ...change, page: undefined }), replace: true })
  return (
    <Group gap="sm" mb="md">
      <SearchInput
        className={classes.search}
        label={words.search}
        value={search}
        onSearch={(text) => set({ search: text || undefined })}
      />
      <FilterSelect
        className={classes.filter}
        label={words.state}
        any={words.anyState}
        options={JOB_STATES.map((value) => ({ value, label: words.states[value] }))}
        value={status}
        onChange={(status) => set({ status })}
      />
    </Group>
  )
}

function JobTable({ jobs, busy }: { jobs: readonly Job[]; busy: boolean }) {
  return (
    <DataTable
      label={words.title}
      busy={busy}
      columns={[
        { title: words.work },
        { title: words.state, width: 150, wide: true },
        { title: words.progress, width: 240, wide: true },
        { title: words.attempts, width: 90, wide: true },
        { title: words.by, width: 130, wide: true },
        { title: words.created, width: 140, wide: true },
        { title: strings.columns.actions, width: 52, unseen: true },
      ]}
    >
      {jobs.map((job) => (
        <JobRow key={job.id} job={job} />
      ))}
    </DataTable>
  )
}

function JobRow({ job }: { job: Job }) {
  const { id, status, attempt, maxAttempts, createdBy, createdAt, error } = job
  return (
    <Table.Tr>
      <Table.Td>
        <Link to="/admin/jobs/$id" params={{ id }} className={classes.link}>
          {workOf(job)}
        </Link>
        <Text size="xs" c="dimmed" component="div">
          <JobTarget job={job} />
        </Text>
        <div className={classes.narrow}>
          <JobBadge status={status} /> <RelativeTime at={createdAt} />
        </div>
      </Table.Td>
      <Table.Td data-wide>
        <JobBadge status={status} />
      </Table.Td>
      <Table.Td data-wide>
        <JobProgress job={job} />
        {status !== 'RUNNING' && error && (
          <Text size="xs" c="dimmed" lineClamp={2} title={error}>
            {error}
          </Text>
        )}
      </Table.Td>
      <Table.Td data-wide>{words.attempt(attempt, maxAttempts)}</Table.Td>
      <Table.Td data-wide>{createdBy ?? words.platform}</Table.Td>
      <Table.Td data-wide>
        <RelativeTime at={createdAt} />
      </Table.Td>
      <Table.Td>
        <JobMenu job={job} />
      </Table.Td>
    </Table.Tr>
  )
}

/** Its button alone where there is nothing to be done would only be in the way. */
function JobMenu({ job }: { job: Job }) {
  const { cancel, again, busy } = useJobActions(job)
  if (!cancel && !again) return null
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" loading={busy} aria-label={`${strings.more}: ${workOf(job)}`}>
          <IconDotsVertical size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {again && (
          <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={again}>
            {words.again}
          </Menu.Item>
        )}
        {cancel && (
          <Menu.Item leftSection={<IconPlayerStop size={16} />} onClick={cancel}>
            {words.cancel}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  )
}

function NoJobs() {
  return <EmptyState icon={<IconSubtask size={24} stroke={1.6} />} title={words.none} text={words.noneText} />
}
