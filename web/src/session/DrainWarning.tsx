import { Button } from '@mantine/core'
import { useMe } from '~/api/hooks'
import type { Session } from '~/api/types'
import { useSessionActions } from '~/components/useSessionActions'
import { formatDuration } from '~/lib/duration'
import { useNotices } from '~/lib/notices'
import { mayChange } from '~/lib/permissions'
import { phaseOf } from '~/lib/session'
import { useNow } from '~/lib/useNow'
import { strings } from '~/strings'
import classes from './IdleWarning.module.css'

/** While the session's machine is being emptied: how long it still goes on, and the button that does not wait for that. */
export function DrainWarning({ session }: { session: Session }) {
  const me = useMe()
  const now = useNow(1_000)
  const { stop, busy } = useSessionActions(session)
  // The latest word counts: it may be that nothing happens after all.
  const notice = useNotices().find(({ session: name, reason }) => name === session.metadata.name && reason === 'Drain')
  const left = (notice?.stopsAt ?? 0) - now
  if (phaseOf(session) !== 'Running' || left <= 0) return null
  return (
    <div className={classes.warning}>
      <span className={classes.text}>{strings.notices.drainIn(formatDuration(left / 1000))}</span>
      {mayChange(me, session) && (
        <Button size="compact-xs" loading={busy} onClick={stop}>
          {strings.notices.hibernateNow}
        </Button>
      )}
    </div>
  )
}
