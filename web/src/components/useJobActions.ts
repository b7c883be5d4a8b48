import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useMe } from '~/api/hooks'
import { answer, api } from '~/api/client'
import type { Job } from '~/api/types'
import { complain } from '~/lib/notices'
import { canBeCancelled, canRunAgain } from '~/lib/job'
import { mayCancelJob, mayRunJobs } from '~/lib/permissions'
import { putJob } from '~/live/jobs'

/** What the person can do with a job now; what they may not, or what makes no sense, is missing. */
export function useJobActions(job: Job): { busy: boolean; cancel?: () => void; again?: () => void } {
  const client = useQueryClient()
  const me = useMe()
  const ask = useMutation({
    mutationFn: (what: 'cancel' | 'retry') =>
      answer(api.POST(`/api/v1/jobs/{id}/${what}`, { params: { path: { id: job.id } } })),
    onSuccess: (changed) => putJob(client, changed),
    onError: complain,
  })
  return {
    busy: ask.isPending,
    ...(canBeCancelled(job) && mayCancelJob(me, job) ? { cancel: () => ask.mutate('cancel') } : {}),
    ...(canRunAgain(job) && mayRunJobs(me) ? { again: () => ask.mutate('retry') } : {}),
  }
}
