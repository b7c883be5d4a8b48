import { Button, Group, Stack, Title } from '@mantine/core'
import { IconBox } from '@tabler/icons-react'
import { useState, type ReactNode } from 'react'
import { Problem } from '~/api/problem'
import type { Doctor, DoctorAction, Phase, Session } from '~/api/types'
import { DeleteDialog } from '~/components/DeleteDialog'
import { DoctorVerdict } from '~/components/DoctorVerdict'
import { EmptyState } from '~/components/EmptyState'
import { LaunchForm } from '~/components/LaunchForm'
import { Meter } from '~/components/Meter'
import { PageTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { SessionCard, SessionCardSkeleton } from '~/components/SessionCard'
import { StartProgress } from '~/components/StartProgress'
import { StateBadge } from '~/components/StateBadge'
import { TemplateCard, TemplateCardSkeleton } from '~/components/TemplateCard'
import { TemplateTile, TemplateTileSkeleton } from '~/components/TemplateTile'
import { announce, complain, say } from '~/lib/notices'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import { aCondition, anActivity, aSession, aTemplate } from '~/test/fixtures'

const PHASES = Object.keys(strings.phases) as Phase[]
const ACTIONS = Object.keys(strings.doctor.actions) as DoctorAction[]
const MINUTE = 60_000

const ago = (milliseconds: number) => new Date(Date.now() - milliseconds).toISOString()

const template = aTemplate('desktop', {
  spec: {
    displayName: 'Linux desktop',
    parameters: {
      type: 'object',
      required: ['branch'],
      properties: {
        branch: { type: 'string', title: 'Branch', description: 'What is checked out.', pattern: '^[a-z]+$' },
        workers: { type: 'integer', title: 'Workers', minimum: 1, maximum: 8, default: 2 },
        mode: { enum: ['fast', 'thorough'], title: 'Mode' },
        packages: { type: 'array', items: { type: 'string' }, title: 'Packages' },
        secret: { type: 'string', format: 'password', title: 'Secret' },
        raw: { type: 'object', title: 'Anything', default: { a: 1 } },
        gpu: { type: 'boolean', title: 'Graphics card' },
      },
    },
  },
})
const missing = aTemplate('rstudio', { missing: 'rserver is missing: apt-get install rstudio-server' })
const problem = new Problem({
  title: 'The request is not acceptable',
  status: 400,
  detail: 'Two fields need mending.',
  requestId: '7f3a',
  errors: [{ field: 'spec.idleTimeout', message: 'At most 8h' }],
})

function inPhase(phase: Phase): Session {
  return aSession(`session-${phase.toLowerCase()}`, {
    phase,
    created: ago(90 * MINUTE),
    spec: { displayName: phase },
    status: {
      conditions: [aCondition('TemplateResolved'), aCondition('Admitted'), aCondition('HomeReady', 'False', 'Making it')],
      ...(phase === 'Failed' ? { doctor: verdict('retry') } : {}),
    },
  })
}

function verdict(action: DoctorAction): Doctor {
  const remedy = 'Install it, then try again: apt-get install tigervnc-standalone-server'
  return { reason: 'ProgramMissing', message: 'Xvnc is not installed on this machine.', remedy, action, since: ago(MINUTE) }
}

/** Every component in every state, for developing and for looking at; not part of what is built. */
export function ComponentsPage() {
  return (
    <>
      <PageTitle title={strings.nav.components} />
      <States />
      <Cards />
      <Starts />
      <Part title="Problems and empty states">
        <ProblemAlert problem={problem} onRetry={() => undefined} />
        <EmptyState icon={<IconBox />} title="Nothing here" text="And how to change that." action={<Button>Do it</Button>} />
      </Part>
      <Part title="Launch form">
        <div className={layout.panel}>
          <LaunchForm template={template} onLaunched={() => undefined} />
        </div>
      </Part>
      <Messages />
    </>
  )
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={layout.section}>
      <Title order={2} fz={16} mb="sm">
        {title}
      </Title>
      <Stack>{children}</Stack>
    </section>
  )
}

function States() {
  return (
    <Part title="States and meters">
      <Group gap="lg">
        {PHASES.map((phase) => (
          <StateBadge key={phase} phase={phase} />
        ))}
      </Group>
      <div className={layout.tiles}>
        <Meter label="Little" text="0.1 of 2" share={0.05} />
        <Meter label="Nearly full" text="1.9 of 2" share={0.95} />
        <Meter label="Unknown" text="–" />
      </div>
    </Part>
  )
}

function Cards() {
  const idle = { since: ago(20 * MINUTE), cause: 'Nobody pressed a key.', stopsAt: ago(-4 * MINUTE) }
  return (
    <Part title="Cards">
      <div className={layout.cards}>
        {PHASES.map((phase) => (
          <SessionCard
            key={phase}
            session={inPhase(phase)}
            template={template}
            activity={anActivity(phase, phase === 'Running' ? { idle } : {})}
          />
        ))}
        <SessionCardSkeleton />
      </div>
      <div className={layout.cards}>
        <TemplateCard template={template} />
        <TemplateCard template={missing} />
        <TemplateCard template={{ ...template, status: { valid: false, instances: 0, message: 'spec.ports is empty' } }} />
        <TemplateCardSkeleton />
      </div>
      <div className={layout.tiles}>
        <TemplateTile template={template} />
        <TemplateTileSkeleton />
      </div>
    </Part>
  )
}

function Starts() {
  return (
    <Part title="Starts and verdicts">
      <div className={layout.cards}>
        {(['Pending', 'Failed', 'Running'] as const).map((phase) => (
          <div key={phase} className={layout.panel}>
            <StartProgress session={inPhase(phase)} template={template} />
          </div>
        ))}
      </div>
      {ACTIONS.map((action) => (
        <DoctorVerdict key={action} session={aSession('s', { status: { doctor: verdict(action) } })} template={template} />
      ))}
    </Part>
  )
}

function Messages() {
  const [deleting, setDeleting] = useState<readonly Session[]>()
  const kept = inPhase('Running')
  const lost = aSession('lost', { spec: { persistentHome: false, displayName: 'Scratch' } })
  const warn = () =>
    announce({
      type: 'session.warning',
      session: 'session-running',
      reason: 'IdleStop',
      message: 'Linux desktop stops in 5 minutes.',
      time: new Date().toISOString(),
    })
  return (
    <Part title="Messages and dialogs">
      <Group>
        <Button onClick={() => say('Done.')}>Success</Button>
        <Button onClick={() => complain(problem)}>Failure</Button>
        <Button onClick={warn}>Warning</Button>
        <Button onClick={() => setDeleting([kept])}>Delete one</Button>
        <Button onClick={() => setDeleting([lost])}>Delete one with its files</Button>
        <Button onClick={() => setDeleting([kept, lost])}>Delete two</Button>
      </Group>
      {deleting && <DeleteDialog sessions={deleting} onClose={() => setDeleting(undefined)} />}
    </Part>
  )
}
