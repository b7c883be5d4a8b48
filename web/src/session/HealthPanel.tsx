import { Button, Group, Text } from '@mantine/core'
import { IconCheck, IconMinus, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useMe, useSnooze } from '~/api/hooks'
import { systemQuery } from '~/api/queries'
import type { Activity, Condition, Session, Template } from '~/api/types'
import { coresInWords, memoryInWords } from '~/components/LaunchSentence'
import { DoctorVerdict } from '~/components/DoctorVerdict'
import { RelativeTime } from '~/components/Time'
import { formatDuration, parseDuration } from '~/lib/duration'
import { complain, say } from '~/lib/notices'
import { mayWork } from '~/lib/permissions'
import { isDesktopSpec, phaseOf } from '~/lib/session'
import { formatClock, parseTime } from '~/lib/time'
import { strings } from '~/strings'
import classes from './HealthPanel.module.css'
import { Section } from './Section'

interface Props {
  session: Session
  template: Template | undefined
  activity: Activity | undefined
}

/** How it is, why, and what can be done: the doctor's verdict, idleness, conditions. */
export function HealthPanel({ session, template, activity }: Props) {
  return (
    <>
      {session.status?.doctor ? (
        <DoctorVerdict session={session} template={template} />
      ) : (
        <Text size="sm">{strings.drawer.healthy}</Text>
      )}
      <Section title={strings.idle.title}>
        <IdleFacts session={session} activity={activity} />
      </Section>
      <Section title={strings.drawer.conditions}>
        <ul className={classes.conditions}>
          {inOrder(session.status?.conditions).map((condition) => (
            <ConditionRow key={condition.type} condition={condition} />
          ))}
        </ul>
      </Section>
      <Facts session={session} template={template} />
    </>
  )
}

const SNOOZES = ['1h', '4h'] as const

function IdleFacts({ session, activity }: Omit<Props, 'template'>) {
  const me = useMe()
  const words = strings.idle
  const idle = activity?.idle ?? session.status?.idle
  if (phaseOf(session) !== 'Running') return <Text size="sm">{words.notRunning}</Text>
  return (
    <>
      <dl className={classes.facts}>
        {idle?.since ? (
          <>
            <dt>{words.since}</dt>
            <dd>
              <RelativeTime at={idle.since} />
            </dd>
          </>
        ) : null}
        {idle?.since && idle.cause && (
          <>
            <dt>{words.cause}</dt>
            <dd>{idle.cause}</dd>
          </>
        )}
        {idle?.since && idle.stopsAt && (
          <>
            <dt>{words.stops}</dt>
            <dd>
              <RelativeTime at={idle.stopsAt} />
            </dd>
          </>
        )}
      </dl>
      {!idle?.since && <Text size="sm">{idle?.cause || words.notIdle}</Text>}
      {idle?.since && !idle.stopsAt && <Text size="sm">{words.neverStops}</Text>}
      {idle?.since && idle.stopsAt && mayWork(me, session) && <Snooze name={session.metadata.name} />}
    </>
  )
}

function Snooze({ name }: { name: string }) {
  const snooze = useSnooze(name)
  const ask = (duration: string) =>
    snooze.mutate(duration, {
      onSuccess: ({ idle }) => {
        const stops = parseTime(idle.stopsAt)
        say(stops === undefined ? strings.idle.snoozedPlain : strings.idle.snoozed(formatClock(stops)))
      },
      onError: complain,
    })
  return (
    <Group gap="xs" mt="xs">
      {SNOOZES.map((duration) => (
        <Button
          key={duration}
          size="compact-sm"
          variant="default"
          disabled={snooze.isPending}
          onClick={() => ask(duration)}
        >
          {strings.idle.snoozeFor(formatDuration(parseDuration(duration) ?? 0))}
        </Button>
      ))}
    </Group>
  )
}

const ORDER = Object.keys(strings.conditions)

/** In the order in which a start makes them true; unknown ones last. */
function inOrder(conditions: readonly Condition[] = []): Condition[] {
  const place = ({ type }: Condition) => (ORDER.indexOf(type) + ORDER.length + 1) % (ORDER.length + 1)
  return conditions.toSorted((a, b) => place(a) - place(b))
}

const MARKS = { True: IconCheck, False: IconX, Unknown: IconMinus } as const
const WORDS = { True: strings.yes, False: strings.no, Unknown: '?' } as const

function ConditionRow({ condition }: { condition: Condition }) {
  const Mark = MARKS[condition.status]
  return (
    <li className={classes.condition} data-status={condition.status}>
      <Mark size={16} stroke={2.5} aria-hidden />
      <div className={classes.words}>
        <Group justify="space-between" gap="xs" wrap="nowrap">
          <Text span size="sm" fw={550}>
            {strings.conditions[condition.type] ?? condition.type}
            <span className="visually-hidden">: {WORDS[condition.status]}</span>
          </Text>
          <Text span size="xs" c="dimmed" className={classes.when}>
            <RelativeTime at={condition.lastTransitionTime} />
          </Text>
        </Group>
        {condition.message && (
          <Text size="xs" c="dimmed">
            {condition.message}
          </Text>
        )}
      </div>
    </li>
  )
}

function Facts({ session, template }: { session: Session; template: Template | undefined }) {
  const shared = useQuery(systemQuery).data?.appsShareOrigin && template !== undefined && !isDesktopSpec(template.spec)
  const { spec, metadata, status } = session
  const { cpu, memory } = spec.resources ?? {}
  return (
    <dl className={classes.facts}>
      <dt>{strings.sessions.name}</dt>
      <dd>
        <code>{metadata.name}</code>
      </dd>
      {cpu && memory && (
        <>
          <dt>{strings.drawer.size}</dt>
          <dd>{strings.launch.sizeText(coresInWords(cpu), memoryInWords(memory))}</dd>
        </>
      )}
      <dt>{strings.session.createdAt}</dt>
      <dd>
        <RelativeTime at={metadata.creationTimestamp} />
      </dd>
      {status?.workload?.startedAt && (
        <>
          <dt>{strings.session.startedAt}</dt>
          <dd>
            <RelativeTime at={status.workload.startedAt} />
          </dd>
        </>
      )}
      {status?.workload?.node && (
        <>
          <dt>{strings.drawer.node}</dt>
          <dd>{status.workload.node}</dd>
        </>
      )}
      {shared && (
        <>
          <dt>{strings.drawer.address}</dt>
          <dd>{strings.drawer.sharedOrigin}</dd>
        </>
      )}
    </dl>
  )
}
