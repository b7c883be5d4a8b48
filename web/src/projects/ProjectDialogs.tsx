import { Button, Group as Row, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useState, type SubmitEvent } from 'react'
import type { Project } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { say } from '~/lib/notices'
import { nameOf } from '~/lib/people'
import { strings } from '~/strings'
import { useCreateProject, useDeleteProject } from './queries'

const words = strings.projects

export function AddProjectDialog({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('')
  const [displayName, setDisplayName] = useState('')
  const [manager, setManager] = useState('')
  const create = useCreateProject()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const first = manager.trim()
    const body = { name, displayName: displayName.trim(), ...(first === '' ? {} : { manager: first }) }
    create.mutate(body, { onSuccess: onClose })
  }
  return (
    <Modal opened onClose={onClose} title={words.add}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            data-autofocus
            label={strings.groups.name}
            description={strings.people.nameHint}
            autoCapitalize="none"
            spellCheck={false}
            error={create.error?.about('name')}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <TextInput
            label={strings.groups.displayName}
            error={create.error?.about('displayName')}
            value={displayName}
            onChange={(event) => setDisplayName(event.currentTarget.value)}
          />
          <TextInput
            label={words.manager}
            description={words.managerHint}
            autoCapitalize="none"
            spellCheck={false}
            error={create.error?.about('manager')}
            value={manager}
            onChange={(event) => setManager(event.currentTarget.value)}
          />
          {create.error && <ProblemAlert problem={create.error} />}
          <Row justify="flex-end" mt="sm">
            <Button variant="default" onClick={onClose}>
              {strings.cancel}
            </Button>
            <Button type="submit" loading={create.isPending} disabled={name === ''}>
              {strings.groups.create}
            </Button>
          </Row>
        </Stack>
      </form>
    </Modal>
  )
}

export function DeleteProjectDialog({ project, onClose }: { project: Project; onClose: () => void }) {
  const remove = useDeleteProject()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const onSuccess = () => {
      say(strings.groups.deleted(nameOf(project)))
      onClose()
    }
    remove.mutate(project.name, { onSuccess })
  }
  return (
    <Modal opened onClose={onClose} title={strings.groups.deleteTitle(nameOf(project))}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{words.deleteText}</Text>
          {remove.error && <ProblemAlert problem={remove.error} />}
          <Row justify="flex-end" mt="sm">
            <Button variant="default" onClick={onClose}>
              {strings.cancel}
            </Button>
            <Button type="submit" color="red" loading={remove.isPending}>
              {strings.delete}
            </Button>
          </Row>
        </Stack>
      </form>
    </Modal>
  )
}
