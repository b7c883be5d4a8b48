import { Text, Title } from '@mantine/core'
import { IconCheck, IconX } from '@tabler/icons-react'
import type { Session, Template } from '~/api/types'
import { formatDuration } from '~/lib/duration'
import { phaseOf, startSteps, titleOf, type Step } from '~/lib/session'
import { parseTime } from '~/lib/time'
import { useNow } from '~/lib/useNow'
import { strings } from '~/strings'
import { DoctorVerdict } from './DoctorVerdict'
import classes from './StartProgress.module.css'

interface Props {
  session: Session
  template: Template | undefined
}

/** A start step by step as it happens, in the platform's words; what went wrong and what helps where it did. */
export function StartProgress({ session, template }: Props) {
  const phase = phaseOf(session)
  const title = titleOf(session, template)
  const failed = phase === 'Failed'
  const heading =
    phase === 'Running'
      ? strings.launch.ready(title)
      : failed
        ? strings.launch.failed(title)
        : strings.launch.progress(title)
  return (
    <div className={classes.progress}>
      <div role="status">
        <Title order={2} fz={18}>
          {heading}
        </Title>
      </div>
      <ol className={classes.steps}>
        {startSteps(session).map((step) => (
          <StepRow key={step.type} step={step} begun={session.metadata.creationTimestamp} />
        ))}
      </ol>
      {session.status?.doctor && <DoctorVerdict session={session} template={template} />}
      {!failed && phase !== 'Running' && <Elapsed session={session} />}
    </div>
  )
}

function StepRow({ step, begun }: { step: Step; begun: string | undefined }) {
  const took = secondsBetween(begun, step.at)
  return (
    <li className={classes.step} data-state={step.state} aria-current={step.state === 'active' ? 'step' : undefined}>
      <span className={classes.mark} aria-hidden="true">
        {step.state === 'done' && <IconCheck size={13} stroke={3} />}
        {step.state === 'failed' && <IconX size={13} stroke={3} />}
      </span>
      <div className={classes.words}>
        <span className={classes.label}>
          {step.label}
          <span className="visually-hidden">: {strings.steps.states[step.state]}</span>
        </span>
        {step.message && step.state !== 'done' && (
          <Text size="sm" c="dimmed">
            {step.message}
          </Text>
        )}
      </div>
      {took !== undefined && (
        <Text size="xs" c="dimmed" className={classes.took}>
          {strings.steps.took(took.toFixed(1))}
        </Text>
      )}
    </li>
  )
}

/** Only for a first start: after a wake the creation is long ago and says nothing about the step. */
const FIRST_START_SECONDS = 180
const NOTICEABLE_SECONDS = 0.1

function secondsBetween(from: string | undefined, to: string | undefined): number | undefined {
  const [start, end] = [parseTime(from), parseTime(to)]
  if (start === undefined || end === undefined) return undefined
  const seconds = (end - start) / 1000
  return seconds >= NOTICEABLE_SECONDS && seconds < FIRST_START_SECONDS ? seconds : undefined
}

function Elapsed({ session }: { session: Session }) {
  const now = useNow(1_000)
  const begun = parseTime(session.status?.workload?.startedAt ?? session.metadata.creationTimestamp)
  const seconds = begun === undefined ? undefined : (now - begun) / 1000
  return (
    <Text size="sm" c="dimmed">
      {seconds !== undefined && seconds >= 1 && seconds < FIRST_START_SECONDS && (
        <>{strings.launch.elapsed(formatDuration(seconds))} · </>
      )}
      {strings.launch.inBackground}
    </Text>
  )
}
