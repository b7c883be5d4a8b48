import { Text } from '@mantine/core'
import type { Activity, Session, Template } from '~/api/types'
import { UsageMeters } from '~/components/UsageMeters'
import { formatBytes, formatCores } from '~/lib/quantity'
import { phaseOf } from '~/lib/session'
import { useUsageHistory } from '~/lib/usageHistory'
import { strings } from '~/strings'
import { Section } from './Section'
import { UsageChart } from './UsageChart'
import classes from './UsagePanel.module.css'

/** Round numbers of cores, and of bytes as people count them: 64 MiB, 128 MiB, … */
const CORE_STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]
const BYTE_STEPS = Array.from({ length: 26 }, (_, index) => 2 ** (index + 15))

/** Fewer points than this are no curve. */
const FEWEST_POINTS = 3

interface Props {
  session: Session
  template: Template | undefined
  activity: Activity | undefined
}

/** What the session uses now, and how that went since the page was opened. */
export default function UsagePanel({ session, template, activity }: Props) {
  const { times, cores, memory } = useUsageHistory(session.metadata.name)
  if (phaseOf(session) !== 'Running' || !activity?.usage) return <Text size="sm">{strings.session.noUsage}</Text>
  return (
    <>
      <div className={classes.meters}>
        <UsageMeters session={session} template={template} usage={activity.usage} />
      </div>
      {times.length >= FEWEST_POINTS && (
        <>
          <Section title={strings.drawer.cpuChart}>
            <UsageChart label={strings.drawer.cpuChart} times={times} values={cores} steps={CORE_STEPS} format={formatCores} />
          </Section>
          <Section title={strings.drawer.memoryChart}>
            <UsageChart
              label={strings.drawer.memoryChart}
              times={times}
              values={memory}
              steps={BYTE_STEPS}
              format={formatBytes}
            />
          </Section>
          <Text size="xs" c="dimmed">
            {strings.drawer.usageSince}
          </Text>
        </>
      )}
    </>
  )
}
