import { Button, Loader } from '@mantine/core'
import { IconEyeOff, IconMoon, IconTrash } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useMe, useSession, useTemplate } from '~/api/hooks'
import { activityQuery } from '~/api/queries'
import type { Session, Template } from '~/api/types'
import { DoctorVerdict } from '~/components/DoctorVerdict'
import { EmptyState } from '~/components/EmptyState'
import { Missing } from '~/components/Missing'
import { useDocumentTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { StartProgress } from '~/components/StartProgress'
import { useSessionActions } from '~/components/useSessionActions'
import { mayEnter, mayWake, mayWork } from '~/lib/permissions'
import { isDesktop, phaseOf, titleOf } from '~/lib/session'
import { SessionBar } from '~/session/SessionBar'
import { SessionDrawer } from '~/session/SessionDrawer'
import { Stage, type StageState } from '~/session/Stage'
import { strings } from '~/strings'
import type { PictureQuality } from '~/viewer/quality'
import { openAlone } from '~/viewer/openAlone'
import classes from './SessionPage.module.css'

const route = getRouteApi('/authed/sessions/$id')

/** A session's window, as large as can be, under a slim bar and beside a drawer that tells everything about it. */
export function SessionPage() {
  const { id } = route.useParams()
  const { data: session, error, isPending, refetch } = useSession(id)
  if (session) return <Loaded key={id} session={session} />
  return (
    <main className={classes.alone}>
      {isPending ? (
        <Loader role="img" aria-label={strings.loading} />
      ) : error.status === 404 ? (
        <Missing kind="session" />
      ) : (
        <ProblemAlert problem={error} onRetry={() => void refetch()} />
      )}
    </main>
  )
}

function Loaded({ session }: { session: Session }) {
  const me = useMe()
  const { panel } = route.useSearch()
  const navigate = route.useNavigate()
  const { data: template } = useTemplate(session.spec.template)
  const activity = useQuery(activityQuery).data?.[session.metadata.name]
  const [stage, setStage] = useState<StageState>({})
  const [quality, setQuality] = useState<PictureQuality>('auto')
  // Whoever comes to see somebody else's desktop looks on until they say otherwise.
  const [looksOn, setViewOnly] = useState(session.spec.user !== me.name)
  // Who may do no more has no choice.
  const viewOnly = looksOn || !mayWork(me, session)
  const title = titleOf(session, template)
  useDocumentTitle(title)
  const show = (next: typeof panel) => void navigate({ search: { panel: next }, replace: true })
  const running = phaseOf(session) === 'Running'
  const inFrame = running && template !== undefined && !isDesktop(template)
  return (
    <div className={classes.page} data-drawer={panel !== undefined || undefined}>
      <SessionBar
        session={session}
        template={template}
        activity={activity}
        desktop={stage.desktop}
        onOpenAlone={inFrame ? () => void openAlone(session.metadata.name) : undefined}
        roundTrip={stage.roundTrip}
        quality={quality}
        onQuality={setQuality}
        viewOnly={viewOnly}
        onViewOnly={setViewOnly}
        drawerOpen={panel !== undefined}
        onDrawer={() => show(panel === undefined ? 'health' : undefined)}
      />
      {/* Before the window, which may take the Tab key for itself. */}
      {panel && (
        <SessionDrawer session={session} template={template} activity={activity} panel={panel} onPanel={show} />
      )}
      <main className={classes.stage}>
        {running && !mayEnter(me, session) ? (
          <NotYours session={session} />
        ) : running ? (
          <Stage
            // A new run of the program is a new connection.
            key={session.status?.workload?.startedAt}
            session={session}
            template={template}
            title={title}
            quality={quality}
            viewOnly={viewOnly}
            roundTrip={stage.roundTrip}
            onState={setStage}
          />
        ) : (
          <Waiting session={session} template={template} />
        )}
      </main>
    </div>
  )
}

/** In the window's place for those who may see that there is a session, and no more. */
function NotYours({ session }: { session: Session }) {
  const { notYours, notYoursText } = strings.session
  return (
    <EmptyState
      icon={<IconEyeOff size={24} stroke={1.6} />}
      title={notYours(session.spec.user)}
      text={notYoursText}
    />
  )
}

interface WaitingProps {
  session: Session
  template: Template | undefined
}

/** In the window's place while there is none: the start as it happens, sleep, or the end. */
function Waiting({ session, template }: WaitingProps) {
  const me = useMe()
  const actions = useSessionActions(session, template)
  const phase = phaseOf(session)
  if (phase === 'Hibernating' || phase === 'Hibernated') {
    const asleep = (
      <EmptyState
        icon={<IconMoon size={24} stroke={1.6} />}
        title={strings.phases[phase]}
        text={strings.session.asleep}
        action={
          phase === 'Hibernated' &&
          mayWake(me, session) && (
            <Button loading={actions.busy} onClick={actions.wake}>
              {strings.session.wake}
            </Button>
          )
        }
      />
    )
    if (!session.status?.doctor) return asleep
    // Something happened to it: it was not put to sleep.
    return (
      <div className={classes.progress}>
        <DoctorVerdict session={session} template={template} />
        {asleep}
      </div>
    )
  }
  if (phase === 'Terminating' || phase === 'Terminated') {
    return (
      <EmptyState
        icon={<IconTrash size={24} stroke={1.6} />}
        title={strings.phases[phase]}
        action={<Button renderRoot={(props) => <Link {...props} to="/" />}>{strings.notFound.home}</Button>}
      />
    )
  }
  return (
    <div className={classes.progress}>
      <StartProgress session={session} template={template} />
    </div>
  )
}
