import { Button, Group, Loader, Modal, NumberInput, SimpleGrid, Stack, Text, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import type { Problem } from '~/api/problem'
import type { QuotaAmounts, QuotaView } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { QuotaMeters } from '~/components/QuotaMeters'
import { say } from '~/lib/notices'
import { DIMENSIONS, type Dimension } from '~/lib/quota'
import { projectQuotaQuery } from '~/projects/queries'
import { strings } from '~/strings'
import { defaultQuotaQuery, groupQuotaQuery, userQuotaQuery } from './queries'

const words = strings.quota

/** Whose limits. */
export interface QuotaSubject {
  kind: 'default' | 'user' | 'group' | 'project'
  name: string
  /** What people call it. */
  title: string
}

interface Props {
  subject: QuotaSubject
  onClose: () => void
}

/** Limits with what is used of them, to be changed. */
export function QuotaDialog({ subject, onClose }: Props) {
  const { limits, quota, error } = useLimits(subject)
  return (
    <Modal opened onClose={onClose} size="lg" title={words.limitsOf(subject.title)}>
      {error && <ProblemAlert problem={error} />}
      {!limits && !error && <Loader size="sm" role="img" aria-label={strings.loading} />}
      {limits && (
        <Stack>
          <Text size="sm" c="dimmed">
            {words.about[subject.kind]}
          </Text>
          {quota && (
            <SimpleGrid cols={2}>
              <QuotaMeters quota={quota} />
            </SimpleGrid>
          )}
          <QuotaForm subject={subject} limits={limits} removable={quota?.origin === 'own'} onClose={onClose} />
        </Stack>
      )}
    </Modal>
  )
}

function useLimits({ kind, name }: QuotaSubject): {
  limits: QuotaAmounts | undefined
  quota: QuotaView | undefined
  error: Problem | null
} {
  const everybodys = useQuery({ ...defaultQuotaQuery, enabled: kind === 'default' })
  const persons = useQuery({ ...userQuotaQuery(name), enabled: kind === 'user' })
  const groups = useQuery({ ...groupQuotaQuery(name), enabled: kind === 'group' })
  const projects = useQuery({ ...projectQuotaQuery(name), enabled: kind === 'project' })
  if (kind === 'default') return { limits: everybodys.data, quota: undefined, error: everybodys.error }
  const { data: quota, error } = { user: persons, group: groups, project: projects }[kind]
  return { limits: quota?.limits, quota, error }
}

type Fields = Record<Dimension, string>

const fieldsOf = (limits: QuotaAmounts): Fields =>
  Object.fromEntries(DIMENSIONS.map((dimension) => [dimension, String(limits[dimension] ?? '')])) as Fields

/** Typed as numbers; the others as quantities. */
const NUMBERS = ['sessions', 'cpuHours', 'memoryHours', 'gpuHours'] as const
const QUANTITIES = ['cpu', 'memory', 'gpu', 'storage'] as const

/** Limits as they were typed; what was left empty has none. */
function amountsOf(fields: Fields): QuotaAmounts {
  const numbers = NUMBERS.filter((dimension) => fields[dimension] !== '')
  const quantities = QUANTITIES.filter((dimension) => fields[dimension].trim() !== '')
  return {
    ...Object.fromEntries(numbers.map((dimension) => [dimension, Number(fields[dimension])])),
    ...Object.fromEntries(quantities.map((dimension) => [dimension, fields[dimension].trim()])),
  }
}

interface FormProps extends Props {
  limits: QuotaAmounts
  /** Whether there are limits that can be taken away. */
  removable: boolean
}

function QuotaForm({ subject, limits, removable, onClose }: FormProps) {
  const [fields, setFields] = useState(() => fieldsOf(limits))
  const save = useSave(subject, onClose)
  const remove = useRemove(subject, onClose)
  const failure = save.error ?? remove.error
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    save.mutate(amountsOf(fields))
  }
  const set = (dimension: Dimension) => (text: string) => setFields((old) => ({ ...old, [dimension]: text }))
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <SimpleGrid cols={2}>
          {NUMBERS.map((dimension) => (
            <NumberInput
              key={dimension}
              label={words.dimensions[dimension]}
              placeholder={words.unlimited}
              min={0}
              allowDecimal={dimension !== 'sessions'}
              error={save.error?.about(dimension)}
              value={fields[dimension]}
              onChange={(value) => set(dimension)(String(value))}
            />
          ))}
          {QUANTITIES.map((dimension) => (
            <TextInput
              key={dimension}
              label={words.dimensions[dimension]}
              description={words.hints[dimension]}
              placeholder={words.unlimited}
              spellCheck={false}
              error={save.error?.about(dimension)}
              value={fields[dimension]}
              onChange={(event) => set(dimension)(event.currentTarget.value)}
            />
          ))}
        </SimpleGrid>
        {failure && <ProblemAlert problem={failure} />}
        <Group justify="flex-end" mt="sm">
          {removable && subject.kind !== 'default' && (
            <Button variant="subtle" color="gray" mr="auto" loading={remove.isPending} onClick={() => remove.mutate()}>
              {words.remove[subject.kind]}
            </Button>
          )}
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button type="submit" loading={save.isPending}>
            {strings.save}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** What to do once limits are others. */
function useChanged(onClose: () => void) {
  const client = useQueryClient()
  return () => {
    void client.invalidateQueries({ queryKey: keys.quotas })
    say(strings.people.saved)
    onClose()
  }
}

function useSave({ kind, name }: QuotaSubject, onClose: () => void) {
  const onSuccess = useChanged(onClose)
  return useMutation({
    mutationFn: async (body: QuotaAmounts): Promise<void> => {
      const params = { path: { name } }
      if (kind === 'default') await answer(api.PUT('/api/v1/quotas/default', { body }))
      else if (kind === 'user') await answer(api.PUT('/api/v1/users/{name}/quota', { params, body }))
      else if (kind === 'group') await answer(api.PUT('/api/v1/groups/{name}/quota', { params, body }))
      else await answer(api.PUT('/api/v1/projects/{name}/quota', { params, body }))
    },
    onSuccess,
  })
}

function useRemove({ kind, name }: QuotaSubject, onClose: () => void) {
  const onSuccess = useChanged(onClose)
  return useMutation({
    mutationFn: async (): Promise<void> => {
      const params = { path: { name } }
      if (kind === 'group') await answer(api.DELETE('/api/v1/groups/{name}/quota', { params }))
      else if (kind === 'project') await answer(api.DELETE('/api/v1/projects/{name}/quota', { params }))
      else await answer(api.DELETE('/api/v1/users/{name}/quota', { params }))
    },
    onSuccess,
  })
}
