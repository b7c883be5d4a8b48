import { Button } from '@mantine/core'
import { useMe, useSnooze } from '~/api/hooks'
import type { Activity, Session } from '~/api/types'
import { formatDuration } from '~/lib/duration'
import { complain } from '~/lib/notices'
import { mayWork } from '~/lib/permissions'
import { phaseOf } from '~/lib/session'
import { parseTime } from '~/lib/time'
import { useNow } from '~/lib/useNow'
import { strings } from '~/strings'
import classes from './IdleWarning.module.css'

/** The server warns five minutes before a stop; so does the bar. */
const SOON_MS = 5 * 60_000
const SNOOZE = '1h'
const SNOOZE_SECONDS = 3600

interface Props {
  session: Session
  activity: Activity | undefined
}

/** Shortly before an idle session is stopped: the countdown, and the button that keeps it running. */
export function IdleWarning({ session, activity }: Props) {
  const me = useMe()
  const now = useNow(1_000)
  const snooze = useSnooze(session.metadata.name)
  const stopsAt = parseTime((activity?.idle ?? session.status?.idle)?.stopsAt)
  if (phaseOf(session) !== 'Running' || stopsAt === undefined || stopsAt - now > SOON_MS) return null
  const left = formatDuration(Math.max(0, (stopsAt - now) / 1000))
  return (
    <div className={classes.warning}>
      <span className={classes.text}>{strings.session.stopsIn(left)}</span>
      {mayWork(me, session) && (
        <Button
          size="compact-xs"
          loading={snooze.isPending}
          onClick={() => snooze.mutate(SNOOZE, { onError: complain })}
        >
          {strings.idle.snoozeFor(formatDuration(SNOOZE_SECONDS))}
        </Button>
      )}
    </div>
  )
}
