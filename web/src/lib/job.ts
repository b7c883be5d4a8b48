import type { Job, JobStatus } from '~/api/types'
import { strings } from '~/strings'

/** Where a job can still move by itself. */
const ACTIVE: readonly JobStatus[] = ['PENDING', 'RUNNING']
const DRIVEN_AGAIN: readonly JobStatus[] = ['FAILED', 'CANCELLED', 'DEAD']

export const JOB_STATES = Object.keys(strings.jobs.states) as JobStatus[]

export function isActive({ status }: Pick<Job, 'status'>): boolean {
  return ACTIVE.includes(status)
}

export function canBeCancelled(job: Pick<Job, 'status' | 'cancelRequested'>): boolean {
  return isActive(job) && !job.cancelRequested
}

export function canRunAgain({ status }: Pick<Job, 'status'>): boolean {
  return DRIVEN_AGAIN.includes(status)
}

/** What a job does, in words; its type where there are none for it. */
export function workOf({ type }: Pick<Job, 'type'>): string {
  return strings.jobs.types[type] ?? type
}

/** The id behind `kind/` where a job's target is of that kind. */
export function targetOf({ target }: Pick<Job, 'target'>, kind: string): string | undefined {
  return target.startsWith(`${kind}/`) ? target.slice(kind.length + 1) : undefined
}
