import { Button, Code, CopyButton, Group, MultiSelect, Select, Skeleton, Stack, Text, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'
import { answer, api } from '~/api/client'
import { useMe } from '~/api/hooks'
import { keys } from '~/api/keys'
import { tokensQuery } from '~/api/queries'
import type { ApiToken } from '~/api/types'
import { complain, say } from '~/lib/notices'
import { strings } from '~/strings'
import { ProblemAlert } from './ProblemAlert'
import { RelativeTime } from './Time'
import classes from './TokenList.module.css'

const words = strings.profile
const LIFETIMES_DAYS = [7, 30, 90, 365]
const HOURS_A_DAY = 24

interface Props {
  /** The service account whose they are; one's own otherwise. */
  account?: string
}

/** API tokens: made, shown once, revoked. */
export function TokenList({ account }: Props) {
  const { data, error, isPending, refetch } = useQuery(tokensQuery(account))
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed">
        {account === undefined ? words.tokensText : words.programTokensText}
      </Text>
      {isPending && <Skeleton h={48} />}
      {error && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
      {data?.length === 0 && <Text size="sm">{account === undefined ? words.tokenNone : words.programTokenNone}</Text>}
      {data && data.length > 0 && (
        <ul className={classes.list}>
          {data.map((token) => (
            <TokenRow key={token.id} token={token} account={account} />
          ))}
        </ul>
      )}
      <NewToken account={account} />
    </Stack>
  )
}

function TokenRow({ token, account }: { token: ApiToken; account: string | undefined }) {
  const client = useQueryClient()
  const revoke = useMutation({
    mutationFn: () => {
      const { id } = token
      return answer(
        account === undefined
          ? api.DELETE('/api/v1/tokens/{id}', { params: { path: { id } } })
          : api.DELETE('/api/v1/service-accounts/{name}/tokens/{id}', { params: { path: { name: account, id } } }),
      )
    },
    onSuccess: () => {
      say(words.tokenRevoked)
      void client.invalidateQueries({ queryKey: keys.tokens })
    },
    onError: complain,
  })
  return (
    <li className={classes.row}>
      <div className={classes.words}>
        <Text size="sm" fw={600}>
          {token.name}
        </Text>
        <Text size="xs" c="dimmed">
          {token.lastUsedAt ? (
            <>
              {words.tokenUsed} <RelativeTime at={token.lastUsedAt} />
            </>
          ) : (
            words.tokenNever
          )}
          {token.expiresAt && (
            <>
              {' · '}
              {words.tokenEnds} <RelativeTime at={token.expiresAt} />
            </>
          )}
          {token.scopes && ` · ${token.scopes.join(', ')}`}
        </Text>
      </div>
      <Button
        size="compact-sm"
        variant="default"
        loading={revoke.isPending}
        aria-label={words.tokenRevokeNamed(token.name)}
        onClick={() => revoke.mutate()}
      >
        {words.tokenRevoke}
      </Button>
    </li>
  )
}

function NewToken({ account }: { account: string | undefined }) {
  const client = useQueryClient()
  const { permissions } = useMe()
  const [name, setName] = useState('')
  const [days, setDays] = useState('30')
  const [scopes, setScopes] = useState<string[]>([])
  const create = useMutation({
    mutationFn: () => {
      const expiresIn = `${Number(days) * HOURS_A_DAY}h`
      const body = { name: name.trim(), expiresIn, ...(scopes.length === 0 ? {} : { scopes }) }
      return answer(
        account === undefined
          ? api.POST('/api/v1/tokens', { body })
          : api.POST('/api/v1/service-accounts/{name}/tokens', { params: { path: { name: account } }, body }),
      )
    },
    onSuccess: () => {
      setName('')
      setScopes([])
      void client.invalidateQueries({ queryKey: keys.tokens })
    },
  })
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    create.mutate()
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Group align="flex-end" gap="sm">
          <TextInput
            className={classes.name}
            label={words.tokenName}
            error={create.error?.about('name')}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Select
            w={120}
            label={words.tokenExpires}
            allowDeselect={false}
            data={LIFETIMES_DAYS.map((value) => ({ value: String(value), label: words.days(value) }))}
            value={days}
            onChange={(value) => setDays(value ?? '30')}
          />
        </Group>
        <MultiSelect
          label={words.tokenScopes}
          description={account === undefined ? words.tokenScopesText : words.programScopesText}
          data={permissions}
          searchable
          clearable
          error={create.error?.about('scopes')}
          value={scopes}
          onChange={setScopes}
        />
        <Group>
          <Button type="submit" variant="default" loading={create.isPending} disabled={name.trim() === '' || (account !== undefined && scopes.length === 0)}>
            {words.tokenCreate}
          </Button>
        </Group>
        {create.error && <ProblemAlert problem={create.error} />}
        {create.data?.token && <FreshToken token={create.data.token} />}
      </Stack>
    </form>
  )
}

function FreshToken({ token }: { token: string }) {
  return (
    <div className={classes.fresh} role="status">
      <Text size="sm" fw={600} mb={6}>
        {words.tokenOnce}
      </Text>
      <Code block className={classes.token}>
        {token}
      </Code>
      <CopyButton value={token}>
        {({ copied, copy }) => (
          <Button size="xs" mt="xs" variant="default" onClick={copy}>
            {copied ? strings.copied : strings.copy}
          </Button>
        )}
      </CopyButton>
    </div>
  )
}
