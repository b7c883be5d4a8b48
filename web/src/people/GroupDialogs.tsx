import { ActionIcon, Button, Group as Row, Loader, Modal, Select, Stack, Text, TextInput } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import { usersQuery } from '~/api/queries'
import type { Group } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { say } from '~/lib/notices'
import { nameOf } from '~/lib/people'
import { strings } from '~/strings'
import classes from './GroupDialogs.module.css'
import { membersQuery } from './queries'

const words = strings.groups

interface DialogProps {
  group: Group
  onClose: () => void
}

export function AddGroupDialog({ onClose }: { onClose: () => void }) {
  const client = useQueryClient()
  const [name, setName] = useState('')
  const [displayName, setDisplayName] = useState('')
  const create = useMutation({
    mutationFn: () => answer(api.POST('/api/v1/groups', { body: { name, displayName: displayName.trim() } })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.groups })
      onClose()
    },
  })
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    create.mutate()
  }
  return (
    <Modal opened onClose={onClose} title={words.add}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            data-autofocus
            label={words.name}
            description={strings.people.nameHint}
            autoCapitalize="none"
            spellCheck={false}
            error={create.error?.about('name')}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <TextInput
            label={words.displayName}
            error={create.error?.about('displayName')}
            value={displayName}
            onChange={(event) => setDisplayName(event.currentTarget.value)}
          />
          {create.error && <ProblemAlert problem={create.error} />}
          <Row justify="flex-end" mt="sm">
            <Button variant="default" onClick={onClose}>
              {strings.cancel}
            </Button>
            <Button type="submit" loading={create.isPending} disabled={name === ''}>
              {words.create}
            </Button>
          </Row>
        </Stack>
      </form>
    </Modal>
  )
}

/** Who belongs to a group; `may`: whether that can be changed. */
export function MembersDialog({ group, may, onClose }: DialogProps & { may: boolean }) {
  const { data: members, error } = useQuery(membersQuery(group.name))
  const change = useMembership(group.name)
  const out = (user: string) => change.mutate({ user, belongs: false })
  return (
    <Modal opened onClose={onClose} title={words.membersOf(nameOf(group))}>
      <Stack>
        {error && <ProblemAlert problem={error} />}
        {!members && !error && <Loader size="sm" role="img" aria-label={strings.loading} />}
        {members?.length === 0 && (
          <Text size="sm" c="dimmed">
            {words.nobody}
          </Text>
        )}
        {members && members.length > 0 && (
          <ul className={classes.members} aria-label={words.membersOf(nameOf(group))}>
            {members.map((member) => (
              <li key={member.name} className={classes.member}>
                <span>
                  <Text span size="sm" fw={600}>
                    {nameOf(member)}
                  </Text>{' '}
                  <Text span size="xs" c="dimmed">
                    {member.name}
                  </Text>
                </span>
                {may && (
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={words.remove(nameOf(member))}
                    onClick={() => out(member.name)}
                  >
                    <IconX size={16} />
                  </ActionIcon>
                )}
              </li>
            ))}
          </ul>
        )}
        {may && members && (
          <Candidates
            known={members.map(({ name }) => name)}
            onChosen={(user) => change.mutate({ user, belongs: true })}
          />
        )}
        {change.error && <ProblemAlert problem={change.error} />}
        <Row justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {strings.done}
          </Button>
        </Row>
      </Stack>
    </Modal>
  )
}

/** Everybody who does not belong to it yet. */
function Candidates({ known, onChosen }: { known: readonly string[]; onChosen: (user: string) => void }) {
  const users = useQuery(usersQuery).data ?? []
  const others = users.filter(({ name }) => !known.includes(name))
  return (
    <Select
      searchable
      label={words.addMember}
      placeholder={words.choose}
      nothingFoundMessage={strings.people.empty}
      data={others.map((user) => ({ value: user.name, label: nameOf(user) }))}
      value={null}
      onChange={(user) => user !== null && onChosen(user)}
    />
  )
}

function useMembership(group: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: async ({ user, belongs }: { user: string; belongs: boolean }): Promise<void> => {
      const params = { path: { name: group, user } }
      await answer(
        belongs
          ? api.PUT('/api/v1/groups/{name}/members/{user}', { params })
          : api.DELETE('/api/v1/groups/{name}/members/{user}', { params }),
      )
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.groups })
      void client.invalidateQueries({ queryKey: keys.quotas })
    },
  })
}

export function DeleteGroupDialog({ group, onClose }: DialogProps) {
  const client = useQueryClient()
  const remove = useMutation({
    mutationFn: async (): Promise<void> => {
      await answer(api.DELETE('/api/v1/groups/{name}', { params: { path: { name: group.name } } }))
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.groups })
      say(words.deleted(nameOf(group)))
      onClose()
    },
  })
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    remove.mutate()
  }
  return (
    <Modal opened onClose={onClose} title={words.deleteTitle(nameOf(group))}>
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
