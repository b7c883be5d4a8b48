import { useThrottledCallback } from '@mantine/hooks'
import { useQueryClient, type QueryClient } from '@tanstack/react-query'
import { useEffect, useEffectEvent } from 'react'
import { keys } from '~/api/keys'
import type { Job, JobPage } from '~/api/types'
import { useLive } from './LiveProvider'
import type { Message } from './messages'

/** Lists whose order or number may be otherwise are fetched again at most this often, however many jobs move. */
const LISTS_EVERY_MS = 1_000

/** Writes a job into the lists that show it and its own entry. An older state than the known one cannot come: one worker writes. */
export function putJob(client: QueryClient, job: Job): void {
  client.setQueriesData<JobPage>({ queryKey: keys.jobs }, (page) =>
    page && { ...page, items: page.items.map((known) => (known.id === job.id ? job : known)) },
  )
  client.setQueryData<Job>(keys.job(job.id), (known) => known && job)
}

/** Whether lists may be otherwise in more than this job: it is new to them, or has come to another state. */
function movesLists(client: QueryClient, job: Job): boolean {
  const lists = client.getQueriesData<JobPage>({ queryKey: keys.jobs })
  const known = lists.flatMap(([, page]) => page?.items ?? []).filter(({ id }) => id === job.id)
  return known.length === 0 || known.some(({ status }) => status !== job.status)
}

function jobsIn(message: Message): readonly Job[] {
  if (message.type === 'job.created' || message.type === 'job.updated') return [message.job]
  return message.type === 'snapshot' && message.resumed === true ? (message.items as Job[]) : []
}

/**
 * Keeps what is shown of jobs up to date while mounted, by the feed. `onJob` hears of each that changed; `onGap` when
 * anything may have changed, since the feed begins.
 */
export function useJobFeed({ onJob, onGap }: { onJob?: (job: Job) => void; onGap?: () => void } = {}): void {
  const client = useQueryClient()
  const { subscribe } = useLive()
  const refresh = useThrottledCallback(
    () => void client.invalidateQueries({ queryKey: keys.jobs }, { cancelRefetch: false }),
    LISTS_EVERY_MS,
  )
  const take = useEffectEvent((message: Message) => {
    if (message.type === 'snapshot' && message.resumed !== true) {
      void client.invalidateQueries({ queryKey: keys.jobs })
      void client.invalidateQueries({ queryKey: keys.jobDetails })
      onGap?.()
      return
    }
    for (const job of jobsIn(message)) {
      if (movesLists(client, job)) refresh()
      putJob(client, job)
      void client.invalidateQueries({ queryKey: keys.jobLog(job.id) })
      onJob?.(job)
    }
  })
  useEffect(() => subscribe('jobs', (message) => take(message)), [subscribe])
}
