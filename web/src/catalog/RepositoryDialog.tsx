import { Button, Group, Modal, Select, Stack, TextInput } from '@mantine/core'
import { useState, type SubmitEvent } from 'react'
import type { Problem } from '~/api/problem'
import type { Repository } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { formatDuration, parseDuration } from '~/lib/duration'
import { say } from '~/lib/notices'
import { strings } from '~/strings'
import { useAddRepository, useChangeRepository } from './actions'
import { SignInFields } from './SignInFields'
import {
  changeOf,
  draftOf,
  INTERVALS,
  isComplete,
  REFERENCES,
  repositoryOf,
  type ReferenceKind,
  type RepositoryDraft,
} from './repositoryForm'

const words = strings.repositories

interface Props {
  /** The one to change; absent: a new one. */
  repository?: Repository
  onClose: () => void
}

/** Adds a repository or changes its settings. */
export function RepositoryDialog({ repository, onClose }: Props) {
  const [draft, setDraft] = useState(() => draftOf(repository))
  const { save, busy, problem } = useSave(repository, onClose)
  const set = (change: Partial<RepositoryDraft>) => setDraft((old) => ({ ...old, ...change }))
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    save(draft)
  }
  const part = { draft, problem, onChange: set }
  return (
    <Modal opened onClose={onClose} title={repository ? words.editTitle(repository.name) : words.addTitle}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <TextInput
            data-autofocus
            label={words.name}
            description={words.nameHint}
            error={problem?.about('name')}
            value={draft.name}
            onChange={(event) => set({ name: event.currentTarget.value })}
          />
          <TextInput
            label={words.url}
            description={words.urlHint}
            inputMode="url"
            autoCapitalize="none"
            spellCheck={false}
            error={problem?.about('url')}
            value={draft.url}
            onChange={(event) => set({ url: event.currentTarget.value })}
          />
          <ReferenceFields {...part} />
          <SignInFields {...part} known={repository !== undefined} />
          <IntervalField {...part} />
          {problem && problem.fields.length === 0 && <ProblemAlert problem={problem} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {strings.cancel}
            </Button>
            <Button type="submit" loading={busy} disabled={!isComplete(draft)}>
              {repository ? strings.save : words.add}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

function useSave(repository: Repository | undefined, onClose: () => void) {
  const add = useAddRepository()
  const change = useChangeRepository(repository?.id ?? '')
  const done = (text: string) => () => {
    say(text)
    onClose()
  }
  const save = (draft: RepositoryDraft) =>
    repository
      ? change.mutate(changeOf(draft), { onSuccess: done(words.changed) })
      : add.mutate(repositoryOf(draft), { onSuccess: done(words.added(draft.name.trim())) })
  return { save, busy: add.isPending || change.isPending, problem: add.error ?? change.error }
}

export interface PartProps {
  draft: RepositoryDraft
  problem: Problem | null
  onChange: (change: Partial<RepositoryDraft>) => void
}

function ReferenceFields({ draft, problem, onChange }: PartProps) {
  const { reference, referenceName, path } = draft
  return (
    <>
      <Group grow align="flex-start">
        <Select
          label={words.reference}
          allowDeselect={false}
          data={REFERENCES.map((value) => ({ value, label: words.references[value] }))}
          value={reference}
          onChange={(value) => onChange({ reference: value as ReferenceKind, referenceName: '' })}
        />
        {reference !== 'default' && (
          <TextInput
            label={words.referenceName[reference]}
            description={reference === 'commit' ? words.commitHint : undefined}
            spellCheck={false}
            error={problem?.about(reference)}
            value={referenceName}
            onChange={(event) => onChange({ referenceName: event.currentTarget.value })}
          />
        )}
      </Group>
      <TextInput
        label={words.folder}
        description={words.folderHint}
        spellCheck={false}
        error={problem?.about('path')}
        value={path}
        onChange={(event) => onChange({ path: event.currentTarget.value })}
      />
    </>
  )
}

function IntervalField({ draft, problem, onChange }: PartProps) {
  const { interval } = draft
  const offered: readonly string[] = INTERVALS
  // One that was set by other means stays to be chosen.
  const choices = interval === '' || offered.includes(interval) ? offered : [interval, ...offered]
  return (
    <Select
      label={words.interval}
      allowDeselect={false}
      error={problem?.about('interval')}
      data={[
        { value: '', label: words.intervalUsual },
        ...choices.map((value) => {
          const seconds = parseDuration(value) ?? 0
          return { value, label: seconds === 0 ? words.onlyAsked : words.intervalEvery(formatDuration(seconds, 'long')) }
        }),
      ]}
      value={interval}
      onChange={(value) => onChange({ interval: value ?? '' })}
    />
  )
}
