import { Skeleton, Text, Timeline } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { eventsQuery, lifecycleQuery } from '~/api/queries'
import { ProblemAlert } from '~/components/ProblemAlert'
import { RelativeTime } from '~/components/Time'
import { strings } from '~/strings'
import classes from './TimelinePanel.module.css'
import { Section } from './Section'

/** What happened to a session, newest first, and what the platform reported about it. */
export function TimelinePanel({ name }: { name: string }) {
  const lifecycle = useQuery(lifecycleQuery(name))
  const events = useQuery(eventsQuery(name))
  const history = lifecycle.data && (lifecycle.data.events ?? []).toSorted((a, b) => b.time.localeCompare(a.time))
  // Most of what is reported is the history itself, in the form that Kubernetes' tools read.
  const told = new Set(history?.map(({ type, message }) => `${type} ${message}`))
  const further = events.data?.filter(({ reason, message }) => !told.has(`${reason} ${message}`))
  return (
    <>
      {lifecycle.isPending && <Skeleton h={160} />}
      {lifecycle.error && <ProblemAlert problem={lifecycle.error} onRetry={() => void lifecycle.refetch()} />}
      {history?.length === 0 && <Text size="sm">{strings.drawer.noEvents}</Text>}
      {history && history.length > 0 && (
        <Timeline bulletSize={12} lineWidth={2} className={classes.timeline}>
          {history.map((event) => (
            <Timeline.Item key={`${event.time} ${event.type}`} title={spaced(event.type)}>
              {event.message && <Text size="sm">{event.message}</Text>}
              <Text size="xs" c="dimmed">
                <RelativeTime at={event.time} />
              </Text>
            </Timeline.Item>
          ))}
        </Timeline>
      )}
      {events.error && <ProblemAlert problem={events.error} onRetry={() => void events.refetch()} />}
      {further && further.length > 0 && (
        <Section title={strings.drawer.events}>
          {further.map((event) => (
            <div key={`${event.reason} ${event.message}`}>
              <Text size="sm" fw={550} c={event.type === 'Warning' ? 'var(--state-warn)' : undefined}>
                {spaced(event.reason)}
              </Text>
              <Text size="sm">{event.message}</Text>
              <Text size="xs" c="dimmed" mb="sm">
                <RelativeTime at={event.lastTimestamp} />
                {event.count > 1 && <> · {strings.drawer.times(event.count)}</>}
              </Text>
            </div>
          ))}
        </Section>
      )}
    </>
  )
}

/** `WorkloadStarted` → `Workload started`. */
function spaced(word: string): string {
  const parts = word.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase()
  return parts.charAt(0).toUpperCase() + parts.slice(1)
}
