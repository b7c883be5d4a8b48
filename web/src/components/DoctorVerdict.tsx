import { Button, CopyButton, Group, Modal, Stack, Text } from '@mantine/core'
import { IconCheck, IconStethoscope } from '@tabler/icons-react'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useMe, usePatchSession, useRestartSession } from '~/api/hooks'
import type { Doctor, Session, Template } from '~/api/types'
import { complain } from '~/lib/notices'
import { mayChange } from '~/lib/permissions'
import { phaseOf } from '~/lib/session'
import { resourcesOf, sizeOf, splitCommand, type Size } from '~/lib/template'
import { strings } from '~/strings'
import classes from './DoctorVerdict.module.css'
import { ProblemAlert } from './ProblemAlert'
import { SizeChoice } from './SizeChoice'
import { RelativeTime } from './Time'

interface Props {
  session: Session
  template: Template | undefined
}

const words = strings.doctor

/** Why a session does not start, what helps, and that help as a button. Nothing for a healthy one. */
export function DoctorVerdict({ session, template }: Props) {
  const doctor = session.status?.doctor
  if (!doctor) return null
  return (
    <section className={classes.verdict} role="alert" aria-label={words.title}>
      <IconStethoscope size={20} aria-hidden className={classes.icon} />
      <div className={classes.words}>
        <Text fw={600}>
          <WithCommand sentence={doctor.message} />
        </Text>
        {doctor.remedy && (
          <Text size="sm" mt={4}>
            <WithCommand sentence={doctor.remedy} />
          </Text>
        )}
        <Group gap="md" mt="sm">
          <DoctorButton doctor={doctor} session={session} template={template} />
          <Text size="xs" c="dimmed">
            {doctor.reason}
            {doctor.since && (
              <>
                {' · '}
                <RelativeTime at={doctor.since} />
              </>
            )}
          </Text>
        </Group>
      </div>
    </section>
  )
}

function WithCommand({ sentence }: { sentence: string }) {
  const { text, command } = splitCommand(sentence)
  return (
    <>
      {text}
      {command && <code className={classes.command}>{command}</code>}
    </>
  )
}

function DoctorButton({ doctor, session, template }: Props & { doctor: Doctor }) {
  const me = useMe()
  const [choosing, setChoosing] = useState(false)
  const navigate = useNavigate()
  const restart = useRestartSession()
  const { name } = session.metadata
  const label = doctor.action && words.actions[doctor.action]
  const changes = doctor.action === 'retry' || doctor.action === 'changeSize'
  if (changes && !mayChange(me, session)) return null
  switch (doctor.action) {
    case 'retry':
      // A sleeping session is woken, for which there is a button of its own.
      if (phaseOf(session) === 'Hibernated') return null
      return (
        <Button size="xs" loading={restart.isPending} onClick={() => restart.mutate(name, { onError: complain })}>
          {label}
        </Button>
      )
    case 'changeSize':
      return (
        <>
          <Button size="xs" disabled={!template} onClick={() => setChoosing(true)}>
            {label}
          </Button>
          {choosing && template && <SizeDialog session={session} template={template} onClose={() => setChoosing(false)} />}
        </>
      )
    case 'stopOther':
      return (
        <Button size="xs" renderRoot={(props) => <Link {...props} to="/sessions" search={{ phase: 'Running' }} />}>
          {label}
        </Button>
      )
    case 'askAdmin':
      return (
        <CopyButton value={detailsOf(doctor, session)}>
          {({ copied, copy }) => (
            <Button size="xs" onClick={copy} leftSection={copied && <IconCheck size={14} />}>
              {copied ? strings.copied : label}
            </Button>
          )}
        </CopyButton>
      )
    case 'openLogs': {
      const open = () => navigate({ to: '/sessions/$id', params: { id: name }, search: { panel: 'logs' } })
      return (
        <Button size="xs" onClick={() => void open()}>
          {label}
        </Button>
      )
    }
    case undefined:
      return null
  }
}

/** What an administrator needs to know, to be pasted into a message. */
function detailsOf({ reason, message, remedy }: Doctor, { metadata, spec }: Session): string {
  return [`${metadata.name} (${spec.template}, ${spec.user})`, `${reason}: ${message}`, remedy].filter(Boolean).join('\n')
}

interface SizeDialogProps {
  session: Session
  template: Template
  onClose: () => void
}

/** A failed session whose size is changed is started again by that. */
function SizeDialog({ session, template, onClose }: SizeDialogProps) {
  const { name } = session.metadata
  const [size, setSize] = useState<Size | undefined>(() => sizeOf(template, session.spec.resources))
  const patch = usePatchSession()
  const apply = () => {
    if (!size) return
    patch.mutate({ name, patch: { resources: resourcesOf(template, size) } }, { onSuccess: onClose })
  }
  return (
    <Modal opened onClose={onClose} title={words.sizeTitle}>
      <Stack>
        <SizeChoice template={template} value={size} onChange={setSize} />
        {patch.error && <ProblemAlert problem={patch.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button disabled={!size} loading={patch.isPending} onClick={apply}>
            {words.sizeApply}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
