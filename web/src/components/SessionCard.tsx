import { Button, Skeleton, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { Activity, Session, Template } from '~/api/types'
import { useMe } from '~/api/hooks'
import { mayChange, mayWake } from '~/lib/permissions'
import { phaseOf, titleOf } from '~/lib/session'
import { strings } from '~/strings'
import { IdleText } from './IdleText'
import classes from './SessionCard.module.css'
import { SessionMenu } from './SessionMenu'
import { StateBadge } from './StateBadge'
import { TemplateIcon } from './TemplateIcon'
import { RelativeTime } from './Time'
import { UsageMeters } from './UsageMeters'
import { useSessionActions } from './useSessionActions'

interface Props {
  session: Session
  template: Template | undefined
  activity: Activity | undefined
}

/** One session, one's own or shared with one: what it is, how it is, and the one thing one most likely wants. */
export function SessionCard({ session, template, activity }: Props) {
  const phase = phaseOf(session)
  const title = titleOf(session, template)
  const name = session.metadata.name
  const me = useMe()
  return (
    <article className={classes.card} aria-label={title}>
      <div className={classes.head}>
        <TemplateIcon template={template} name={session.spec.template} />
        <div className={classes.names}>
          <Link to="/sessions/$id" params={{ id: name }} className={classes.title} title={name}>
            {title}
          </Link>
          <Text size="xs" c="dimmed" truncate>
            <Subtitle session={session} template={template} title={title} />
          </Text>
        </div>
        {mayChange(me, session) && <SessionMenu session={session} template={template} />}
      </div>
      <div className={classes.body}>
        <CardBody session={session} template={template} activity={activity} />
      </div>
      <div className={classes.foot}>
        <div className={classes.state}>
          <StateBadge phase={phase} live />
          <IdleText session={session} activity={activity} />
        </div>
        <CardAction session={session} template={template} />
      </div>
    </article>
  )
}

/** The template where the session has a name of its own, and when it was made. */
/** … and whose it is, where it is another's. */
function Subtitle({ session, template, title }: { session: Session; template: Template | undefined; title: string }) {
  const kind = template?.spec.displayName ?? session.spec.template
  const owner = session.spec.user
  const me = useMe()
  return (
    <>
      {owner !== me.name && `${strings.viewer.ownedBy(owner)} · `}
      {kind === title ? strings.session.createdAt : `${kind} ·`} <RelativeTime at={session.metadata.creationTimestamp} />
    </>
  )
}

function CardBody({ session, template, activity }: Props) {
  const phase = phaseOf(session)
  if (phase === 'Running') return <UsageMeters inline session={session} template={template} usage={activity?.usage} />
  if (phase === 'Failed') {
    return (
      <Text size="sm" lineClamp={2}>
        {session.status?.doctor?.message ?? strings.phases.Failed}
      </Text>
    )
  }
  if (phase === 'Hibernated') {
    const slept = session.status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime
    return (
      <Text size="sm" c="dimmed">
        {strings.session.asleep}
        {slept && (
          <>
            {' · '}
            <RelativeTime at={slept} />
          </>
        )}
      </Text>
    )
  }
  const waiting = session.status?.conditions?.find(({ status, message }) => status !== 'True' && message)?.message
  return (
    <Text size="sm" c="dimmed" lineClamp={2}>
      {waiting ?? strings.phases[phase]}
    </Text>
  )
}

function CardAction({ session, template }: Pick<Props, 'session' | 'template'>) {
  const actions = useSessionActions(session, template)
  const me = useMe()
  const phase = phaseOf(session)
  const title = titleOf(session, template)
  if (phase === 'Hibernated') {
    if (!mayWake(me, session)) return null
    return (
      <Button
        size="xs"
        variant="default"
        loading={actions.busy}
        onClick={actions.wake}
        aria-label={`${strings.session.wake} ${title}`}
      >
        {strings.session.wake}
      </Button>
    )
  }
  if (phase === 'Hibernating' || phase === 'Terminating' || phase === 'Terminated') return null
  return (
    <Button
      size="xs"
      variant={phase === 'Running' ? 'filled' : 'default'}
      onClick={() => void actions.open()}
      aria-label={strings.session.openNamed(title)}
    >
      {strings.session.open}
    </Button>
  )
}

/** As large as the card that will stand there. */
export function SessionCardSkeleton() {
  return (
    <div className={classes.card} aria-hidden="true">
      <div className={classes.head}>
        <Skeleton w={40} h={40} />
        <div className={classes.names}>
          <Skeleton w="60%" h={14} mb={8} />
          <Skeleton w="40%" h={10} />
        </div>
      </div>
      <div className={classes.body}>
        <Skeleton h={12} />
        <Skeleton h={12} />
      </div>
      <div className={classes.foot}>
        <Skeleton w={80} h={14} />
        <Skeleton w={60} h={30} />
      </div>
    </div>
  )
}
