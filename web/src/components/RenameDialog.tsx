import { Button, Group, Modal, TextInput } from '@mantine/core'
import { useState, type SubmitEvent } from 'react'
import { usePatchSession } from '~/api/hooks'
import type { Session, Template } from '~/api/types'
import { say } from '~/lib/notices'
import { titleOf } from '~/lib/session'
import { strings } from '~/strings'
import { ProblemAlert } from './ProblemAlert'

interface Props {
  session: Session
  template: Template | undefined
  onClose: () => void
}

const LONGEST_NAME = 60

export function RenameDialog({ session, template, onClose }: Props) {
  const [name, setName] = useState(titleOf(session, template))
  const patch = usePatchSession()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    patch.mutate(
      { name: session.metadata.name, patch: { displayName: name.trim() } },
      {
        onSuccess: () => {
          say(strings.session.renamed)
          onClose()
        },
      },
    )
  }
  return (
    <Modal opened onClose={onClose} title={strings.session.rename}>
      <form onSubmit={submit}>
        <TextInput
          data-autofocus
          label={strings.session.renameLabel}
          value={name}
          maxLength={LONGEST_NAME}
          error={patch.error?.about('displayName')}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        {patch.error && <ProblemAlert problem={patch.error} />}
        <Group justify="flex-end" mt="lg">
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button type="submit" loading={patch.isPending} disabled={name.trim() === ''}>
            {strings.save}
          </Button>
        </Group>
      </form>
    </Modal>
  )
}
