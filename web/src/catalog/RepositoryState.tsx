import { Text } from '@mantine/core'
import type { Job, Repository } from '~/api/types'
import { JobProgress } from '~/components/JobProgress'
import { strings } from '~/strings'
import { RepositoryBadge } from './RepositoryBadge'

interface Props {
  repository: Repository
  /** Its sync that waits or runs. */
  sync: Job | undefined
  /** Makes screen readers hear changes. */
  live?: boolean
}

/** How a repository is: its state, how far its sync is, and why the latest one failed. */
export function RepositoryState({ repository: { status, lastError }, sync, live = false }: Props) {
  const running = sync?.status === 'RUNNING'
  return (
    <>
      <RepositoryBadge status={running ? 'syncing' : status} live={live} />
      {running && <JobProgress job={sync} />}
      {sync?.status === 'PENDING' && (
        <Text size="xs" c="dimmed">
          {strings.repositories.waiting}
        </Text>
      )}
      {!sync && status === 'failed' && lastError && (
        <Text size="xs" c="dimmed" lineClamp={2} title={lastError}>
          {lastError}
        </Text>
      )}
    </>
  )
}
