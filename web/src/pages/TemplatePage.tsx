import { Anchor, Group, Skeleton, Stack, Text, Title } from '@mantine/core'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useEffect } from 'react'
import { useSession, useTemplate } from '~/api/hooks'
import type { Template } from '~/api/types'
import { LaunchForm } from '~/components/LaunchForm'
import { Missing } from '~/components/Missing'
import { useDocumentTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { StartProgress } from '~/components/StartProgress'
import { Tags } from '~/components/Tags'
import { TemplateObstacle } from '~/components/TemplateCard'
import { TemplateIcon } from '~/components/TemplateIcon'
import { isDesktop, phaseOf } from '~/lib/session'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import classes from './TemplatePage.module.css'

const route = getRouteApi('/authed/shell/templates/$name')

/** A template and its launch form; once launched, the start in place of the form, and then the session itself. */
export function TemplatePage() {
  const { name } = route.useParams()
  const { session } = route.useSearch()
  const navigate = route.useNavigate()
  const { data: template, error, isPending, refetch } = useTemplate(name)
  useDocumentTitle(template?.spec.displayName)
  if (isPending) return <TemplateSkeleton />
  if (error) {
    if (error.status === 404) return <Missing kind="template" />
    return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  }
  const launched = (launchedName: string) => void navigate({ search: { session: launchedName }, replace: true })
  return (
    <div className={classes.page}>
      <About template={template} />
      <div className={layout.panel}>
        {session === undefined ? (
          <LaunchForm template={template} onLaunched={({ metadata }) => launched(metadata.name)} />
        ) : (
          <Starting name={session} template={template} />
        )}
      </div>
    </div>
  )
}

function Starting({ name, template }: { name: string; template: Template }) {
  const { data: session, error } = useSession(name)
  const navigate = route.useNavigate()
  const running = session !== undefined && phaseOf(session) === 'Running'
  useEffect(() => {
    if (running) void navigate({ to: '/sessions/$id', params: { id: name }, replace: true })
  }, [running, name, navigate])
  if (error) return error.status === 404 ? <Missing kind="session" /> : <ProblemAlert problem={error} />
  if (!session) return <Skeleton h={240} />
  return <StartProgress session={session} template={template} />
}

function About({ template }: { template: Template }) {
  const { spec, metadata, status } = template
  const facts: [string, string | undefined][] = [
    [strings.launch.kind, isDesktop(template) ? strings.templates.kinds.desktop : strings.templates.kinds.web],
    [strings.launch.category, spec.category],
    [strings.launch.version, status?.revision?.slice(0, 10)],
  ]
  return (
    <Stack gap="md">
      <Anchor size="sm" renderRoot={(props) => <Link {...props} to="/templates" />}>
        ← {strings.templates.title}
      </Anchor>
      <Group wrap="nowrap" gap="md">
        <TemplateIcon template={template} name={metadata.name} size={56} />
        <Title order={1} fz={24}>
          {spec.displayName}
        </Title>
      </Group>
      <Text>{spec.description ?? strings.templates.noDescription}</Text>
      <TemplateObstacle template={template} />
      <dl className={classes.facts}>
        {facts.map(([label, value]) =>
          value ? (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ) : null,
        )}
      </dl>
      <Tags tags={spec.tags} />
    </Stack>
  )
}

function TemplateSkeleton() {
  return (
    <div className={classes.page} aria-hidden="true">
      <Stack>
        <Skeleton h={20} w={90} />
        <Skeleton h={56} w="70%" />
        <Skeleton h={60} />
      </Stack>
      <div className={layout.panel}>
        <Skeleton h={420} />
      </div>
    </div>
  )
}
