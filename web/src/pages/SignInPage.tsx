import { Button, Divider, Loader, Stack, Text, TextInput, Title } from '@mantine/core'
import { useWindowEvent } from '@mantine/hooks'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState, type SubmitEvent } from 'react'
import logo from '~/assets/icon.svg'
import { systemQuery } from '~/api/queries'
import { redeemLink, register, signIn } from '~/api/signIn'
import type { Me } from '~/api/types'
import { NewPasswordForm } from '~/components/NewPasswordForm'
import { useDocumentTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { takeLinkToken } from '~/lib/linkToken'
import { nameOf } from '~/lib/people'
import { strings } from '~/strings'
import { Providers, ProviderProblem } from './Providers'
import classes from './SignInPage.module.css'
import { PasswordField } from '../components/PasswordField'

const route = getRouteApi('/sign-in')
const words = strings.signIn

/** Signs in through a provider, with a password, or with the one-time link that the page was opened through. */
export function SignInPage() {
  const { to = '/', problem, request } = route.useSearch()
  const navigate = route.useNavigate()
  const [token, setToken] = useState(takeLinkToken)
  useDocumentTitle(words.title)
  // A link that is pasted into the address of this very page changes only the fragment, and loads nothing.
  useWindowEvent('hashchange', () => setToken(takeLinkToken()))
  const enter = () => void navigate({ to, replace: true })
  return (
    <main className={classes.page}>
      <div className={classes.panel}>
        <div className={classes.brand}>
          <img src={logo} alt="" width={36} height={36} />
          <Title order={1} fz={22}>
            {strings.product}
          </Title>
          <Text size="sm" c="dimmed">
            {words.lead}
          </Text>
        </div>
        {problem && <ProviderProblem problem={problem} request={request} />}
        {token === undefined ? (
          <Ways to={to} onDone={enter} />
        ) : (
          <LinkSignIn key={token} token={token} to={to} onDone={enter} />
        )}
      </div>
    </main>
  )
}

interface WaysProps {
  /** The page to come back to. */
  to: string
  onDone: () => void
}

/** The ways in that this server has. */
function Ways({ to, onDone }: WaysProps) {
  const { data, error, refetch } = useQuery(systemQuery)
  if (error) return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  if (!data) return <Waiting text={words.asking} />
  const { password, providers, registration } = data.signIn
  return (
    <Stack>
      <Providers providers={providers} to={to} />
      {providers.length > 0 && password && <Divider label={words.or} />}
      {password && <LocalAccount registration={registration} onDone={onDone} />}
    </Stack>
  )
}

function Waiting({ text }: { text: string }) {
  return (
    <div className={classes.waiting} role="status">
      <Loader size="sm" />
      {text}
    </div>
  )
}

function LinkSignIn({ token, to, onDone }: WaysProps & { token: string }) {
  const client = useQueryClient()
  const { data, error } = useQuery<Me>({
    queryKey: ['sign-in-link', token],
    // It works once: neither a retry nor a second look can succeed.
    queryFn: () => redeemLink(client, token),
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
  })
  if (error) {
    return (
      <Stack>
        <div role="alert">
          <Text fw={600}>{words.linkFailed}</Text>
          <Text size="sm" c="dimmed">
            {error.status === 0 ? error.message : words.linkFailedDetail}
          </Text>
        </div>
        <Ways to={to} onDone={onDone} />
      </Stack>
    )
  }
  if (!data) return <Waiting text={words.redeeming} />
  return <ChoosePassword me={data} onDone={onDone} />
}

function ChoosePassword({ me, onDone }: { me: Me; onDone: () => void }) {
  return (
    <Stack gap="sm">
      <Text fw={600} role="status">
        {words.welcome(nameOf(me))}
      </Text>
      <Text size="sm">{words.choose}</Text>
      <NewPasswordForm username={me.name} submitLabel={words.set} onDone={onDone} />
      <Button variant="subtle" onClick={onDone}>
        {words.later}
      </Button>
    </Stack>
  )
}

/** Signing in to an account of this server's own or, where people may, making one. */
function LocalAccount({ registration, onDone }: { registration: boolean; onDone: () => void }) {
  const [fresh, setFresh] = useState(false)
  return (
    <>
      {fresh ? <Register onDone={onDone} /> : <PasswordSignIn onDone={onDone} />}
      {registration && (
        <Button variant="subtle" onClick={() => setFresh(!fresh)}>
          {fresh ? words.haveAccount : words.register}
        </Button>
      )}
    </>
  )
}

function Register({ onDone }: { onDone: () => void }) {
  const client = useQueryClient()
  const [username, setUsername] = useState('')
  const [displayName, setDisplayName] = useState('')
  const [password, setPassword] = useState('')
  const make = useMutation({
    mutationFn: () => register(client, username.trim(), password, displayName.trim()),
    onSuccess: onDone,
  })
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    make.mutate()
  }
  return (
    <form onSubmit={submit} aria-label={words.register}>
      <Stack>
        <TextInput
          label={words.username}
          description={strings.people.nameHint}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          error={make.error?.about('username')}
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
        />
        <TextInput
          label={strings.people.displayName}
          autoComplete="name"
          error={make.error?.about('displayName')}
          value={displayName}
          onChange={(event) => setDisplayName(event.currentTarget.value)}
        />
        <PasswordField
          label={words.newPassword}
          description={words.passwordHint}
          autoComplete="new-password"
          error={make.error?.about('password')}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        {make.error && make.error.fields.length === 0 && <ProblemAlert problem={make.error} />}
        <Button type="submit" loading={make.isPending} disabled={username.trim() === '' || password === ''}>
          {words.make}
        </Button>
      </Stack>
    </form>
  )
}

function PasswordSignIn({ onDone }: { onDone: () => void }) {
  const client = useQueryClient()
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')
  const attempt = useMutation({ mutationFn: () => signIn(client, username.trim(), password), onSuccess: onDone })
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    attempt.mutate()
  }
  return (
    <form onSubmit={submit} aria-label={words.title}>
      <Stack>
        <TextInput
          label={words.username}
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
        />
        <PasswordField
          label={words.password}
          name="password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        {attempt.error && <ProblemAlert problem={attempt.error} />}
        <Button type="submit" loading={attempt.isPending} disabled={username.trim() === '' || password === ''}>
          {words.submit}
        </Button>
      </Stack>
    </form>
  )
}
