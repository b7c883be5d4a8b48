import type { Job } from '~/api/types'
import { strings } from '~/strings'
import { Meter } from './Meter'

/** How far a job is, in its own words; nothing before it has said anything, and once it has ended. */
export function JobProgress({ job }: { job: Pick<Job, 'progress' | 'status'> }) {
  const { progress, status } = job
  if (!progress || status !== 'RUNNING') return null
  const { done, total, message } = progress
  const share = total ? done / total : undefined
  const label = message === '' ? strings.jobs.progress : message
  return <Meter label={label} text={total ? strings.jobs.of(done, total) : strings.jobs.done(done)} share={share} calm />
}
