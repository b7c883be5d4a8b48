import { Text } from '@mantine/core'
import type { Activity, Session } from '~/api/types'
import { UsageMeters } from '~/components/UsageMeters'
import { formatBytes, formatCores } from '~/lib/quantity'
import { phaseOf } from '~/lib/session'
import { useUsageHistory } from '~/lib/usageHistory'
import { strings } from '~/strings'
import { Section } from './Section'
import { UsageChart } from './UsageChart'
import classes from './UsagePanel.module.css'

/** Fewer points than this are no curve. */
const FEWEST_POINTS = 3

/** What the session uses now, and how that went since the page was opened. */
export default function UsagePanel({ session, activity }: { session: Session; activity: Activity | undefined }) {
  const { times, cores, memory } = useUsageHistory(session.metadata.name)
  if (phaseOf(session) !== 'Running' || !activity?.usage) return <Text size="sm">{strings.session.noUsage}</Text>
  return (
    <>
      <div className={classes.meters}>
        <UsageMeters session={session} usage={activity.usage} />
      </div>
      {times.length >= FEWEST_POINTS && (
        <>
          <Section title={strings.drawer.cpuChart}>
            <UsageChart label={strings.drawer.cpuChart} times={times} values={cores} format={formatCores} />
          </Section>
          <Section title={strings.drawer.memoryChart}>
            <UsageChart label={strings.drawer.memoryChart} times={times} values={memory} format={formatBytes} />
          </Section>
          <Text size="xs" c="dimmed">
            {strings.drawer.usageSince}
          </Text>
        </>
      )}
    </>
  )
}
