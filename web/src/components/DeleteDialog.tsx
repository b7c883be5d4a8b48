import { Button, Group, List, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useState, type SubmitEvent } from 'react'
import { useDeleteSession, useMe, useTemplatesByName } from '~/api/hooks'
import type { Session } from '~/api/types'
import { complain, say } from '~/lib/notices'
import { losesFiles, titleOf } from '~/lib/session'
import { strings } from '~/strings'

interface Props {
  /** At least one. */
  sessions: readonly Session[]
  onClose: () => void
  onDeleted?: () => void
}

const words = strings.deletion
const MOST_NAMED = 8

/** Says what is lost. Asks for the name only where files go with the session. */
export function DeleteDialog({ sessions, onClose, onDeleted }: Props) {
  const templates = useTemplatesByName()
  const remove = useDeleteSession()
  const me = useMe()
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const titles = sessions.map((session) => titleOf(session, templates.get(session.spec.template)))
  const single = sessions.length === 1
  const losing = sessions.filter(losesFiles).length
  const mustType = losing === 0 ? undefined : single ? (titles[0] ?? '') : words.word

  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    setBusy(true)
    const results = await Promise.allSettled(sessions.map((session) => remove.mutateAsync(session.metadata.name)))
    const failures = results.filter((result) => result.status === 'rejected')
    const done = sessions.length - failures.length
    if (done > 0) say(single ? strings.session.deleted(titles[0] ?? '') : strings.sessions.deletedMany(done))
    for (const { reason } of failures.slice(0, 3)) complain(reason)
    onClose()
    if (done > 0) onDeleted?.()
  }

  return (
    <Modal opened onClose={onClose} title={single ? words.title(titles[0] ?? '') : words.titleMany(sessions.length)}>
      <form onSubmit={submit}>
        <Stack gap="sm">
          <Text size="sm">{single ? whatGoes(sessions[0], me.name) : words.keepsMany}</Text>
          {!single && (
            <List size="sm">
              {titles.slice(0, MOST_NAMED).map((title, index) => (
                <List.Item key={sessions[index]?.metadata.name}>{title}</List.Item>
              ))}
              {titles.length > MOST_NAMED && <List.Item>…</List.Item>}
            </List>
          )}
          {!single && losing > 0 && (
            <Text size="sm" c="var(--state-bad)" fw={600}>
              {words.losesMany(losing)}
            </Text>
          )}
          {mustType !== undefined && (
            <TextInput
              data-autofocus
              label={words.typeName(mustType)}
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
            />
          )}
          <Group justify="flex-end" mt="sm">
            <Button variant="default" onClick={onClose}>
              {strings.cancel}
            </Button>
            <Button type="submit" color="red" loading={busy} disabled={mustType !== undefined && typed !== mustType}>
              {single ? words.confirm : words.confirmMany(sessions.length)}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function whatGoes(session: Session | undefined, me: string): string {
  if (!session || session.spec.user === me) return session && losesFiles(session) ? words.loses : words.keeps
  return losesFiles(session) ? words.loses : words.keepsOther(session.spec.user)
}
