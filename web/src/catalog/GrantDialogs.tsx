import { Button, Group, Modal, Select, Stack, Text, Textarea } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'
import { templatesQuery } from '~/api/queries'
import type { Grant } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { say } from '~/lib/notices'
import { strings } from '~/strings'
import { useGrant, useRevokeGrant } from './actions'
import { repositoriesQuery } from './queries'

const words = strings.grants

/** Lets a template or a whole repository be root inside its containers. The reason is kept. */
export function GrantDialog({ onClose }: { onClose: () => void }) {
  const templates = useQuery(templatesQuery).data ?? []
  const repositories = useQuery(repositoriesQuery).data ?? []
  const [subject, setSubject] = useState<string | null>(null)
  const [reason, setReason] = useState('')
  const grant = useGrant()
  // Only those have anything to be granted.
  const asking = templates.filter(({ spec }) => spec.security === 'baseline')
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const [kind, id] = /^(template|repository) (.+)$/.exec(subject ?? '')?.slice(1) ?? []
    if (kind === undefined || id === undefined) return
    const body = { ...(kind === 'template' ? { template: id } : { repository: id }), reason: reason.trim() }
    grant.mutate(body, {
      onSuccess: () => {
        say(words.added)
        onClose()
      },
    })
  }
  const error = grant.error
  const subjectError = error?.about('template') ?? error?.about('repository')
  return (
    <Modal opened onClose={onClose} title={words.add}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <Text size="sm">{words.addText}</Text>
          <Select
            label={words.subject}
            placeholder={words.choose}
            searchable
            nothingFoundMessage={words.nothing}
            error={subjectError}
            data={[
              {
                group: words.templates,
                items: asking.map(({ metadata, spec }) => ({ value: `template ${metadata.name}`, label: spec.displayName })),
              },
              {
                group: words.repositories,
                items: repositories.map(({ id, name }) => ({ value: `repository ${id}`, label: name })),
              },
            ]}
            value={subject}
            onChange={setSubject}
          />
          <Textarea
            label={words.reason}
            description={words.reasonHint}
            autosize
            minRows={2}
            error={error?.about('reason')}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          {error && error.fields.length === 0 && <ProblemAlert problem={error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {strings.cancel}
            </Button>
            <Button type="submit" loading={grant.isPending} disabled={subject === null || reason.trim() === ''}>
              {words.grant}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

/** Says what stops working, and when. */
export function RevokeDialog({ grant, onClose }: { grant: Grant; onClose: () => void }) {
  const revoke = useRevokeGrant()
  const name = grant.template ?? grant.repositoryName ?? ''
  const confirm = () =>
    revoke.mutate(grant.id, {
      onSuccess: () => {
        say(words.revoked)
        onClose()
      },
    })
  return (
    <Modal opened onClose={onClose} title={words.revokeTitle(name)}>
      <Stack gap="sm">
        <Text size="sm">{words.revokeText}</Text>
        {revoke.error && <ProblemAlert problem={revoke.error} />}
        <Group justify="flex-end" mt="sm">
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button color="red" loading={revoke.isPending} onClick={confirm}>
            {words.revoke}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
