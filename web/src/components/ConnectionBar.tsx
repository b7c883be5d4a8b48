import { UnstyledButton } from '@mantine/core'
import { useLive, useLiveStatus } from '~/live/LiveProvider'
import { strings } from '~/strings'
import { useNow } from '~/lib/useNow'
import classes from './ConnectionBar.module.css'

/** A thin bar while the page is not live. It goes by itself; nothing has to be reloaded. */
export function ConnectionBar() {
  const status = useLiveStatus()
  // The first attempt of a page that has just opened is nothing to speak of.
  const away = status.state === 'lost' || (status.state === 'connecting' && status.attempt > 0)
  return (
    <div role="status" className={classes.region}>
      {away && <Bar retryAt={status.state === 'lost' ? status.retryAt : undefined} />}
    </div>
  )
}

function Bar({ retryAt }: { retryAt: number | undefined }) {
  const { retryNow } = useLive()
  const now = useNow(1_000)
  const seconds = retryAt === undefined ? 0 : Math.max(1, Math.ceil((retryAt - now) / 1000))
  return (
    <div className={classes.bar}>
      {retryAt === undefined ? strings.live.trying : strings.live.lost(seconds)}
      {retryAt !== undefined && (
        <UnstyledButton className={classes.retry} onClick={retryNow}>
          {strings.live.retryNow}
        </UnstyledButton>
      )}
    </div>
  )
}
