import { useThrottledCallback } from '@mantine/hooks'
import { useQueryClient } from '@tanstack/react-query'
import { useRef } from 'react'
import { useMe } from '~/api/hooks'
import { keys } from '~/api/keys'
import type { Job, JobStatus } from '~/api/types'
import { seesEveryonesJobs } from '~/lib/permissions'
import { useJobFeed } from '~/live/jobs'
import { SYNC } from './queries'

/** The catalog is fetched again at most this often, however many repositories are synced at once. */
const EVERY_MS = 500
/** For those who are not told of the syncs. */
const POLL_MS = 30_000

/**
 * Keeps what is shown of the catalog up to date while mounted: whenever a sync begins or ends. The result is for
 * `refetchInterval`: those who may not see the platform's jobs look now and then.
 */
export function useCatalogFeed(): number | false {
  const client = useQueryClient()
  const me = useMe()
  const seen = useRef(new Map<string, JobStatus>())
  const refresh = useThrottledCallback(
    () => void client.invalidateQueries({ queryKey: keys.catalog }, { cancelRefetch: false }),
    EVERY_MS,
  )
  const onJob = ({ id, type, status }: Job) => {
    // How far it is changes nothing in the catalog: a sync is applied whole.
    if (type !== SYNC || seen.current.get(id) === status) return
    seen.current.set(id, status)
    refresh()
  }
  useJobFeed({ onJob, onGap: refresh })
  return seesEveryonesJobs(me) ? false : POLL_MS
}
