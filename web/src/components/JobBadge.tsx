import type { JobStatus } from '~/api/types'
import { strings } from '~/strings'
import { Badge, type Look } from './Badge'

const LOOKS: Record<JobStatus, Look> = {
  PENDING: 'waiting',
  RUNNING: 'working',
  SUCCEEDED: 'good',
  FAILED: 'failed',
  CANCELLED: 'ended',
  DEAD: 'dead',
}

/** Where a job is in its life. */
export function JobBadge({ status, live = false }: { status: JobStatus; live?: boolean }) {
  return <Badge look={LOOKS[status]} word={strings.jobs.states[status]} live={live} />
}
