import { Button, Code, Group, List, Stack, Text, Textarea, Title } from '@mantine/core'
import { useState, type SubmitEvent } from 'react'
import type { Mapping, SsoTrial } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { strings } from '~/strings'
import { given } from './MappingTable'
import { useTrial } from './queries'
import { shown } from './shown'

const words = strings.sso

const EXAMPLE = JSON.stringify({ sub: 'their-id', preferred_username: 'alice', groups: ['engineering'] }, null, 2)

interface Props {
  issuer: string | undefined
  rules: readonly Mapping[]
}

/** Says what a sign-in with given claims would do. */
export function Tester({ issuer, rules }: Props) {
  const [text, setText] = useState(EXAMPLE)
  const trial = useTrial()
  const asked = shown(text, issuer ?? rules[0]?.issuer)
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    if (asked) trial.mutate(asked)
  }
  return (
    <section aria-label={words.tester}>
      <Title order={2} size="h4" mb={4}>
        {words.tester}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {words.testerText}
      </Text>
      <form onSubmit={submit}>
        <Stack gap="sm" maw={720}>
          <Textarea
            label={words.claims}
            rows={8}
            spellCheck={false}
            styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
            error={asked ? undefined : words.notClaims}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <Group>
            <Button type="submit" variant="default" loading={trial.isPending} disabled={!asked}>
              {words.test}
            </Button>
          </Group>
          {trial.error && <ProblemAlert problem={trial.error} />}
          {trial.data && <Outcome trial={trial.data} rules={rules} pasted={trial.variables.claims === undefined} />}
        </Stack>
      </form>
    </section>
  )
}

/** `pasted`: what it says was not seen yet. */
function Outcome({ trial, rules, pasted }: { trial: SsoTrial; rules: readonly Mapping[]; pasted: boolean }) {
  const fired = rules.filter(({ id }) => trial.fired.includes(id))
  const refused = trial.refused === 'disabled' || trial.refused === 'no-role' ? words.refused[trial.refused] : undefined
  return (
    <Stack gap={6} role="status">
      <Text size="sm" fw={600}>
        {words.wouldBe(trial.user, trial.exists)}
      </Text>
      {refused && <Text size="sm">{refused}</Text>}
      <Text size="sm">{fired.length === 0 ? words.nothingFires : words.fired}</Text>
      {fired.length > 0 && (
        <List size="sm">
          {fired.map((rule) => (
            <List.Item key={rule.id}>
              <code>{rule.principal}</code> → {given(rule)}
            </List.Item>
          ))}
        </List>
      )}
      <Change what={words.groups} change={trial.groups} name={(group) => group} />
      <Change what={words.roles} change={trial.roles} name={(role) => strings.roles[role] ?? role} />
      {pasted && (
        <>
          <Text size="sm">{words.says(trial.issuer)}</Text>
          <Code block>{JSON.stringify(trial.claims, null, 2)}</Code>
        </>
      )}
    </Stack>
  )
}

interface Difference<Item> {
  after: Item[]
  added: Item[]
  removed: Item[]
}

function Change<Item extends string>({ what, change, name }: { what: string; change: Difference<Item>; name: (item: Item) => string }) {
  const kept = change.after.map((item) => (change.added.includes(item) ? words.added(name(item)) : name(item)))
  const gone = change.removed.map((item) => words.taken(name(item)))
  return (
    <Text size="sm">
      {what}: {[...kept, ...gone].join(', ') || words.nothing}
    </Text>
  )
}
