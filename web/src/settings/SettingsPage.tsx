import { Anchor, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'
import type { Overrides, Settings } from '~/api/types'
import { PageTitle } from '~/components/PageTitle'
import { Part } from '~/components/Part'
import { ProblemAlert } from '~/components/ProblemAlert'
import { TableSkeleton } from '~/components/TableSkeleton'
import { RelativeTime } from '~/components/Time'
import { say } from '~/lib/notices'
import { strings } from '~/strings'
import { settingsQuery, useChangeSettings } from './queries'

const words = strings.settings

type Name = keyof Settings

const PARTS: { title: string; names: Name[] }[] = [
  { title: words.sessions, names: ['defaultIdleTimeout', 'maxIdleTimeout', 'maxSessionDuration', 'terminatedTtl', 'budgetGrace'] },
  { title: words.requests, names: ['rateLimitUser', 'rateLimitAddress', 'rateLimitSignIn'] },
  { title: words.platform, names: ['syncInterval', 'logLevel'] },
]

/** The settings that may change while the servers run. */
export function SettingsPage() {
  const { data: settings, error, isPending, isLoadingError, refetch } = useQuery(settingsQuery)
  return (
    <>
      <PageTitle title={words.title} />
      <Text size="sm" c="dimmed" maw={720} mb="lg">
        {words.text}
      </Text>
      {isPending && <TableSkeleton rows={6} />}
      {isLoadingError && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
      {settings && (
        <>
          {/* Another version is another form: what was typed into the old one is saved by then. */}
          <Form key={settings.resourceVersion} settings={settings} overrides={settings.overrides} configured={settings.configured} />
          {settings.changedBy && settings.changedAt && (
            <Text size="sm" c="dimmed" mt="md">
              {words.changedBy(settings.changedBy)} <RelativeTime at={settings.changedAt} />
            </Text>
          )}
        </>
      )}
    </>
  )
}

interface Props {
  /** What is in force. */
  settings: Settings
  /** What of it was changed. */
  overrides: Overrides
  /** What the server was started with. */
  configured: Settings
}

function Form({ settings, overrides, configured }: Props) {
  const [typed, setTyped] = useState<Partial<Record<Name, string>>>({})
  const change = useChangeSettings()
  const changed = Object.entries(typed).filter(([name, value]) => value.trim() !== String(settings[name as Name]))
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const body = Object.fromEntries(changed.map(([name, value]) => [name, meant(settings[name as Name], value.trim())]))
    change.mutate(body, { onSuccess: () => say(words.saved) })
  }
  const takeBack = (name: Name) => change.mutate({ [name]: null }, { onSuccess: () => say(words.takenBack) })
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="xl" maw={560}>
        {PARTS.map(({ title, names }) => (
          <Part key={title} title={title}>
            <Stack gap="md">
              {names.map((name) => (
                <div key={name}>
                  <TextInput
                    label={words.names[name]}
                    description={words.hints[name]}
                    spellCheck={false}
                    error={change.error?.about(name)}
                    value={typed[name] ?? String(settings[name])}
                    onChange={(event) => setTyped({ ...typed, [name]: event.currentTarget.value })}
                  />
                  {name in overrides && (
                    <Text size="sm" c="dimmed" mt={4}>
                      {words.startedWith(String(configured[name]))}{' '}
                      <Anchor component="button" type="button" size="sm" onClick={() => takeBack(name)}>
                        {words.takeBack(words.names[name])}
                      </Anchor>
                    </Text>
                  )}
                </div>
              ))}
            </Stack>
          </Part>
        ))}
        {change.error && change.error.fields.length === 0 && <ProblemAlert problem={change.error} />}
        <Group>
          <Button type="submit" loading={change.isPending} disabled={changed.length === 0}>
            {words.save}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** What was typed, as a setting of that kind; the server says what is wrong with one that is none. */
function meant(present: string | number, text: string): string | number {
  return typeof present === 'number' && /^\d+$/.test(text) ? Number(text) : text
}
