import { Button, Collapse, Select, Stack, Switch, Text, TextInput, UnstyledButton } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { IconChevronRight, IconPlayerPlay } from '@tabler/icons-react'
import { useMemo, useRef, useState, type SubmitEvent } from 'react'
import { answer, api, idempotencyKey } from '~/api/client'
import { useMe } from '~/api/hooks'
import { keys } from '~/api/keys'
import { systemQuery } from '~/api/queries'
import type { NewSession, Session, Template } from '~/api/types'
import { putSession } from '~/live/cache'
import { formatDuration, parseDuration } from '~/lib/duration'
import { useRememberTemplate } from '~/lib/recent'
import { defaultsOf, fieldsOf, mistakeIn, parametersOf, type Values } from '~/lib/schema'
import { canLaunch, resourcesOf, type Size } from '~/lib/template'
import { strings } from '~/strings'
import classes from './LaunchForm.module.css'
import { LaunchQuota } from './LaunchQuota'
import { LaunchSentence } from './LaunchSentence'
import { ParametersForm } from './ParametersForm'
import { ProblemAlert } from './ProblemAlert'
import { SizeChoice } from './SizeChoice'

interface Props {
  template: Template
  onLaunched: (session: Session) => void
}

const words = strings.launch
const LONGEST_NAME = 60
const IDLE_CHOICES = ['15m', '30m', '1h', '2h', '4h', '8h', '24h']
const NEVER = '0s'

/** Everything one may decide before the start; the defaults fit most, so that Start is all one has to press. */
export function LaunchForm({ template, onLaunched }: Props) {
  const fields = useMemo(() => fieldsOf(template.spec.parameters), [template.spec.parameters])
  const [size, setSize] = useState<Size>('medium')
  const [name, setName] = useState('')
  const [idle, setIdle] = useState<string | null>(null)
  const [keepFiles, setKeepFiles] = useState(true)
  const [values, setValues] = useState<Values>(() => defaultsOf(fields))
  const [tried, setTried] = useState(false)
  const launch = useLaunch(onLaunched)
  const mistakes = Object.fromEntries(
    fields.map((field) => [
      field.name,
      (tried ? mistakeIn(field, values[field.name]) : undefined) ?? launch.error?.about(field.name),
    ]),
  )

  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    setTried(true)
    if (fields.some((field) => mistakeIn(field, values[field.name]) !== undefined)) return
    const parameters = parametersOf(fields, values)
    launch.mutate({
      template: template.metadata.name,
      resources: resourcesOf(template, size),
      persistentHome: keepFiles,
      ...(name.trim() === '' ? {} : { displayName: name.trim() }),
      ...(idle === null ? {} : { idleTimeout: idle }),
      ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
    })
  }

  return (
    <form onSubmit={submit} noValidate aria-label={strings.templates.launchNamed(template.spec.displayName)}>
      <Stack gap="lg">
        <SizeChoice template={template} value={size} onChange={setSize} />
        <ParametersForm
          fields={fields}
          values={values}
          mistakes={mistakes}
          onChange={(field, value) => setValues((old) => ({ ...old, [field]: value }))}
        />
        <Switch
          label={words.keepFiles}
          description={keepFiles ? words.keepFilesHint : words.loseFilesHint}
          checked={keepFiles}
          onChange={(event) => setKeepFiles(event.currentTarget.checked)}
        />
        <MoreOptions>
          <TextInput
            label={words.name}
            description={words.nameHint}
            placeholder={words.namePlaceholder(template.spec.displayName)}
            maxLength={LONGEST_NAME}
            error={launch.error?.about('displayName')}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <IdleChoice value={idle} error={launch.error?.about('idleTimeout')} onChange={setIdle} />
        </MoreOptions>
        <LaunchSentence template={template} size={size} idleTimeout={idle} keepFiles={keepFiles} />
        <LaunchQuota template={template} size={size} />
        {launch.error && <ProblemAlert problem={launch.error} />}
        <Button
          type="submit"
          size="md"
          loading={launch.isPending}
          disabled={!canLaunch(template)}
          leftSection={<IconPlayerPlay size={18} aria-hidden />}
        >
          {words.start}
        </Button>
        {!canLaunch(template) && (
          <Text size="sm" c="dimmed">
            {words.cannot}
          </Text>
        )}
      </Stack>
    </form>
  )
}

/**
 * Creates the session. The key stays the same until an answer arrives, so that pressing Start again after a lost
 * connection finds the first one instead of making a twin.
 */
function useLaunch(onLaunched: (session: Session) => void) {
  const client = useQueryClient()
  const remember = useRememberTemplate(useMe().name)
  const attempt = useRef<{ body: string; key: string }>(undefined)
  return useMutation({
    mutationFn: (body: NewSession) => {
      const text = JSON.stringify(body)
      if (attempt.current?.body !== text) attempt.current = { body: text, key: idempotencyKey() }
      const header = { 'Idempotency-Key': attempt.current.key }
      return answer(api.POST('/api/v1/sessions', { body, params: { header } }))
    },
    onSuccess: (session) => {
      attempt.current = undefined
      void client.invalidateQueries({ queryKey: keys.quotas })
      putSession(client, session)
      remember(session.spec.template)
      onLaunched(session)
    },
  })
}

function MoreOptions({ children }: { children: React.ReactNode }) {
  const [open, setOpen] = useState(false)
  return (
    <div>
      <UnstyledButton className={classes.more} aria-expanded={open} onClick={() => setOpen(!open)}>
        <IconChevronRight size={16} className={classes.chevron} aria-hidden />
        {words.options}
      </UnstyledButton>
      <Collapse expanded={open}>
        <Stack gap="lg" pt="md">
          {children}
        </Stack>
      </Collapse>
    </div>
  )
}

interface IdleChoiceProps {
  /** A duration, or null for the default. */
  value: string | null
  error: string | undefined
  onChange: (value: string | null) => void
}

/** Only what the administrator's ceiling leaves. */
function IdleChoice({ value, error, onChange }: IdleChoiceProps) {
  const limit = useQuery(systemQuery).data?.limits.idleTimeout
  const usual = parseDuration(limit?.default)
  const ceiling = parseDuration(limit?.ceiling) || Number.POSITIVE_INFINITY
  const choices = IDLE_CHOICES.filter((choice) => (parseDuration(choice) ?? 0) <= ceiling)
  if (ceiling === Number.POSITIVE_INFINITY) choices.push(NEVER)
  const label = usual ? words.idleDefault(formatDuration(usual, 'long')) : words.idleDefaultUnknown
  return (
    <Select
      label={words.idle}
      error={error}
      allowDeselect={false}
      data={[
        { value: '', label },
        ...choices.map((choice) => ({
          value: choice,
          label: choice === NEVER ? words.idleNever : formatDuration(parseDuration(choice) ?? 0, 'long'),
        })),
      ]}
      value={value ?? ''}
      onChange={(next) => onChange(next === '' ? null : next)}
    />
  )
}
