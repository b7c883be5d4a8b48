import { Anchor, Group, Text, Title } from '@mantine/core'
import { IconAppWindow } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMe, useOwnSessions, useSession, useTemplatesByName } from '~/api/hooks'
import { activityQuery, templatesQuery } from '~/api/queries'
import type { Session, Template } from '~/api/types'
import { EmptyState } from '~/components/EmptyState'
import { GuidedStart, useGuide } from '~/components/GuidedStart'
import { OwnQuota } from '~/components/OwnQuota'
import { PageTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { SessionCard, SessionCardSkeleton } from '~/components/SessionCard'
import { TemplateTile, TemplateTileSkeleton } from '~/components/TemplateTile'
import { useRecentTemplates } from '~/lib/recent'
import { isOver, phaseOf } from '~/lib/session'
import { canLaunch } from '~/lib/template'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'

const MOST_RECENT = 4
const MOST_SUGGESTED = 8
/** More than this nobody takes in at a glance; the table has all of them. */
const MOST_SHOWN = 12

/** One's own sessions, and what to start next. */
export function HomePage() {
  const sessions = useOwnSessions()
  const own = sessions.data
  const guide = useGuide(own && own.length > 0)
  const none = own?.length === 0
  return (
    <>
      <PageTitle title={strings.home.title} />
      {guide && <GuidedStart guide={guide} />}
      <section className={layout.section} aria-labelledby="own" hidden={none && guide !== undefined}>
        <Heading id="own" text={strings.home.sessions} />
        {sessions.isLoadingError && <ProblemAlert problem={sessions.error} onRetry={() => void sessions.refetch()} />}
        {none && (
          <EmptyState
            icon={<IconAppWindow size={24} stroke={1.6} />}
            title={strings.home.welcome}
            text={strings.home.welcomeText}
          />
        )}
        <OwnSessions sessions={own} pending={sessions.isPending} />
      </section>
      <SharedSessions />
      <OwnQuota />
      <Suggestions sessions={own ?? []} />
    </>
  )
}

function OwnSessions({ sessions, pending }: { sessions: readonly Session[] | undefined; pending: boolean }) {
  const templates = useTemplatesByName()
  const activity = useQuery(activityQuery).data
  const shown = sessions?.filter((session) => !isOver(phaseOf(session)))
  if (pending) {
    return (
      <div className={layout.cards}>
        <SessionCardSkeleton />
        <SessionCardSkeleton />
      </div>
    )
  }
  if (!sessions || sessions.length === 0) return null
  if (shown?.length === 0) {
    return (
      <EmptyState
        icon={<IconAppWindow size={24} stroke={1.6} />}
        title={strings.home.emptyTitle}
        text={strings.home.emptyText}
      />
    )
  }
  return (
    <>
      <div className={layout.cards}>
        {shown?.slice(0, MOST_SHOWN).map((session) => (
          <SessionCard
            key={session.metadata.name}
            session={session}
            template={templates.get(session.spec.template)}
            activity={activity?.[session.metadata.name]}
          />
        ))}
      </div>
      {shown && shown.length > MOST_SHOWN && (
        <Anchor size="sm" mt="md" display="inline-block" renderRoot={(props) => <Link {...props} to="/sessions" />}>
          {strings.home.more(shown.length - MOST_SHOWN)}
        </Anchor>
      )}
    </>
  )
}

/** What others share with one. */
function SharedSessions() {
  const names = Object.keys(useMe().shared ?? {})
  if (names.length === 0) return null
  return (
    <section className={layout.section} aria-labelledby="shared">
      <Heading id="shared" text={strings.home.shared} />
      <div className={layout.cards}>
        {names.slice(0, MOST_SHOWN).map((name) => (
          <SharedSession key={name} name={name} />
        ))}
      </div>
    </section>
  )
}

function SharedSession({ name }: { name: string }) {
  const { data: session, isPending } = useSession(name)
  const templates = useTemplatesByName()
  const activity = useQuery(activityQuery).data
  if (isPending) return <SessionCardSkeleton />
  // One that is over, or was shared until just now.
  if (!session || isOver(phaseOf(session))) return null
  return <SessionCard session={session} template={templates.get(session.spec.template)} activity={activity?.[name]} />
}

function Suggestions({ sessions }: { sessions: readonly Session[] }) {
  const templates = useQuery(templatesQuery)
  const used = useRecentTemplates(useMe().name, sessions)
  const { recent, further } = offers(templates.data ?? [], used)
  return (
    <>
      {recent.length > 0 && (
        <section className={layout.section} aria-labelledby="again">
          <Heading id="again" text={strings.home.recent} />
          <Tiles templates={recent} />
        </section>
      )}
      <section className={layout.section} aria-labelledby="start">
        <Group justify="space-between" align="baseline">
          <Heading id="start" text={strings.home.suggested} />
          <Anchor size="sm" renderRoot={(props) => <Link {...props} to="/templates" />}>
            {strings.home.all}
          </Anchor>
        </Group>
        {templates.isLoadingError && <ProblemAlert problem={templates.error} onRetry={() => void templates.refetch()} />}
        {templates.data && recent.length + further.length === 0 && (
          <Text size="sm" c="dimmed">
            {strings.templates.noneText}
          </Text>
        )}
        {templates.isPending ? (
          <div className={layout.tiles}>
            {[1, 2, 3, 4].map((key) => (
              <TemplateTileSkeleton key={key} />
            ))}
          </div>
        ) : (
          <Tiles templates={further} />
        )}
      </section>
    </>
  )
}

function Tiles({ templates }: { templates: readonly Template[] }) {
  return (
    <div className={layout.tiles}>
      {templates.map((template) => (
        <TemplateTile key={template.metadata.name} template={template} />
      ))}
    </div>
  )
}

/** Of what runs here: what one used last, latest first, and some of the rest. */
function offers(templates: readonly Template[], used: readonly string[]) {
  const runs = templates.filter(canLaunch)
  const named = new Map(runs.map((template) => [template.metadata.name, template]))
  const recent = used.flatMap((name) => named.get(name) ?? []).slice(0, MOST_RECENT)
  const further = runs
    .filter((template) => !recent.includes(template))
    .sort((a, b) => a.spec.displayName.localeCompare(b.spec.displayName))
    .slice(0, MOST_SUGGESTED)
  return { recent, further }
}

function Heading({ id, text }: { id: string; text: string }) {
  return (
    <Title id={id} order={2} fz={16} mb="sm">
      {text}
    </Title>
  )
}
