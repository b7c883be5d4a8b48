import { Button, Group, Modal, Stack, TextInput } from '@mantine/core'
import { useState, type ReactNode, type SubmitEvent } from 'react'
import type { Problem } from '~/api/problem'
import { ProblemAlert } from '~/components/ProblemAlert'
import { strings } from '~/strings'

const words = strings.nodes

interface Props {
  title: string
  problem: Problem | null
  busy: boolean
  onClose: () => void
  onSet: (key: string, value: string) => void
  /** Further fields. */
  children?: ReactNode
}

/** Asks for a key and a value. */
export function MarkDialog({ title, problem, busy, onClose, onSet, children }: Props) {
  const [key, setKey] = useState('')
  const [value, setValue] = useState('')
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    onSet(key.trim(), value.trim())
  }
  return (
    <Modal opened onClose={onClose} title={title}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            data-autofocus
            label={words.key}
            description={words.keyHint}
            autoCapitalize="none"
            spellCheck={false}
            error={problem?.about('key')}
            value={key}
            onChange={(event) => setKey(event.currentTarget.value)}
          />
          <TextInput
            label={words.value}
            autoCapitalize="none"
            spellCheck={false}
            error={problem?.about('value')}
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
          />
          {children}
          {problem && <ProblemAlert problem={problem} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {strings.cancel}
            </Button>
            <Button type="submit" loading={busy} disabled={key.trim() === ''}>
              {words.set}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
