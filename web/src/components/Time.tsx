import { formatExact, formatRelative, parseTime } from '~/lib/time'
import { useNow } from '~/lib/useNow'

/** A time as one says it (`3 minutes ago`), the exact one on hover. Nothing for a time that is not one. */
export function RelativeTime({ at }: { at: string | null | undefined }) {
  const now = useNow(10_000)
  const time = parseTime(at)
  if (time === undefined) return null
  return (
    <time dateTime={at ?? undefined} title={formatExact(time)}>
      {formatRelative(time, now)}
    </time>
  )
}
