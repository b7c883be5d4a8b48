import type { Activity, Session } from '~/api/types'
import { formatDuration } from '~/lib/duration'
import { phaseOf } from '~/lib/session'
import { formatRelative, parseTime } from '~/lib/time'
import { useNow } from '~/lib/useNow'
import { strings } from '~/strings'
import classes from './IdleText.module.css'

interface Props {
  session: Session
  activity: Activity | undefined
}

/** From here on the countdown is drawn as a warning. The server warns at the same distance. */
const SOON_MS = 5 * 60_000

/** Whether anyone works in it, and when it stops if nobody does, counting down; the cause on hover. */
export function IdleText({ session, activity }: Props) {
  const now = useNow(1_000)
  if (phaseOf(session) !== 'Running') return null
  const idle = activity?.idle ?? session.status?.idle
  const since = parseTime(idle?.since)
  const stopsAt = parseTime(idle?.stopsAt)
  if (since === undefined) return <span className={classes.text}>{strings.session.inUse}</span>
  const soon = stopsAt !== undefined && stopsAt - now < SOON_MS
  const text =
    stopsAt === undefined
      ? strings.session.idleSince(formatRelative(since, now))
      : strings.session.stopsIn(countdown(stopsAt - now))
  return (
    <span className={classes.text} data-soon={soon || undefined} title={idle?.cause ?? undefined}>
      {text}
    </span>
  )
}

/** Seconds only at the end, so that a page full of cards does not flicker. */
function countdown(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds / 1000)
  return formatDuration(milliseconds < SOON_MS ? seconds : Math.ceil(seconds / 60) * 60)
}
