import { Button, Text, Title } from '@mantine/core'
import { useLocalStorage } from '@mantine/hooks'
import { IconCheck } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useMe } from '~/api/hooks'
import { templatesQuery, usersQuery } from '~/api/queries'
import type { Template } from '~/api/types'
import { mayManagePeople } from '~/lib/permissions'
import { canLaunch } from '~/lib/template'
import { strings } from '~/strings'
import classes from './GuidedStart.module.css'
import { TemplateIcon } from './TemplateIcon'

const words = strings.home
const HIDDEN = 'streamspace-guide-hidden'
const MOST_OFFERED = 4

export interface Guide {
  templates: readonly Template[]
  /** Whether the person has a session, so that the first step is done. */
  started: boolean
  /** Whether there is anybody else. */
  invited: boolean
  hide: () => void
}

/**
 * The first steps of whoever runs the place. Nothing for others, until everything it speaks of is known, once it is all
 * done, and where it was put away in this browser.
 */
export function useGuide(started: boolean | undefined): Guide | undefined {
  const runsThePlace = mayManagePeople(useMe())
  const [hidden, setHidden] = useLocalStorage({ key: HIDDEN, defaultValue: false, getInitialValueInEffect: false })
  const wanted = runsThePlace && !hidden
  const templates = useQuery(templatesQuery).data
  const people = useQuery({ ...usersQuery, enabled: wanted }).data
  if (!wanted || !templates || !people || started === undefined) return undefined
  const invited = people.length > 1
  return started && invited ? undefined : { templates, started, invited, hide: () => setHidden(true) }
}

/** What the first administrator does first: launch, invite, look around. */
export function GuidedStart({ guide: { templates, started, invited, hide } }: { guide: Guide }) {
  const runs = templates.filter(canLaunch)
  return (
    <section className={classes.guide} aria-labelledby="guide">
      <div className={classes.head}>
        <div>
          <Title id="guide" order={2} fz={18}>
            {words.guide}
          </Title>
          <Text size="sm" c="dimmed">
            {words.guideText}
          </Text>
        </div>
        <Button size="compact-sm" variant="subtle" color="gray" onClick={hide}>
          {words.guideHide}
        </Button>
      </div>
      <ol className={classes.steps}>
        <Step done={started} title={words.guideStart} text={words.guideStartText}>
          {!started && <Offers templates={runs.slice(0, MOST_OFFERED)} />}
        </Step>
        <Step done={invited} title={words.guideInvite} text={words.guideInviteText}>
          {!invited && (
            <Button size="xs" variant="default" renderRoot={(props) => <Link {...props} to="/admin/people" />}>
              {words.guideInviteAction}
            </Button>
          )}
        </Step>
        <Step title={words.guideTemplates} text={words.guideTemplatesText(runs.length, templates.length - runs.length)}>
          <Button size="xs" variant="default" renderRoot={(props) => <Link {...props} to="/templates" />}>
            {words.guideTemplatesAction}
          </Button>
        </Step>
      </ol>
    </section>
  )
}

interface StepProps {
  done?: boolean
  title: string
  text: string
  children: ReactNode
}

function Step({ done = false, title, text, children }: StepProps) {
  return (
    <li className={classes.step} data-done={done || undefined}>
      <span className={classes.mark} aria-hidden="true">
        {done && <IconCheck size={13} stroke={3} />}
      </span>
      <div className={classes.words}>
        <Text fw={600} size="sm">
          {title}
          {done && <span className="visually-hidden">: {words.guideDone}</span>}
        </Text>
        {!done && (
          <Text size="sm" c="dimmed">
            {text}
          </Text>
        )}
        {children && <div className={classes.action}>{children}</div>}
      </div>
    </li>
  )
}

function Offers({ templates }: { templates: readonly Template[] }) {
  return (
    <div className={classes.offers}>
      {templates.map((template) => (
        <Button
          key={template.metadata.name}
          variant="default"
          leftSection={<TemplateIcon template={template} name={template.metadata.name} size={24} />}
          renderRoot={(props) => <Link {...props} to="/templates/$name" params={{ name: template.metadata.name }} />}
        >
          {template.spec.displayName}
        </Button>
      ))}
    </div>
  )
}
