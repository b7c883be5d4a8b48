import { Button, Stack } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'
import { setPassword } from '~/api/signIn'
import { strings } from '~/strings'
import { PasswordField } from './PasswordField'
import { ProblemAlert } from './ProblemAlert'

interface Props {
  /** For the browser's password store. */
  username: string
  submitLabel: string
  /** Whether the present password is asked for. It may be left empty shortly after a sign-in by link. */
  askCurrent?: boolean
  onDone: () => void
}

/** Chooses a password, typed twice. What makes a good one is the server's to say. */
export function NewPasswordForm({ username, submitLabel, askCurrent = false, onDone }: Props) {
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const [again, setAgain] = useState('')
  const [tried, setTried] = useState(false)
  const change = useMutation({
    mutationFn: () => setPassword(next, askCurrent ? current : undefined),
    onSuccess: () => {
      setCurrent('')
      setNext('')
      setAgain('')
      setTried(false)
      onDone()
    },
  })
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    setTried(true)
    if (next === again) change.mutate()
  }
  const words = strings.profile
  const incomplete = next === '' || again === ''
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
        {askCurrent && (
          <PasswordField
            label={words.current}
            description={words.currentHint}
            autoComplete="current-password"
            error={change.error?.about('current')}
            value={current}
            onChange={(event) => setCurrent(event.currentTarget.value)}
          />
        )}
        <PasswordField
          label={words.new}
          autoComplete="new-password"
          error={change.error?.about('new')}
          value={next}
          onChange={(event) => setNext(event.currentTarget.value)}
        />
        <PasswordField
          label={words.again}
          autoComplete="new-password"
          error={tried && next !== again ? strings.signIn.mismatch : undefined}
          value={again}
          onChange={(event) => setAgain(event.currentTarget.value)}
        />
        {change.error && change.error.fields.length === 0 && <ProblemAlert problem={change.error} />}
        <Button type="submit" loading={change.isPending} disabled={incomplete}>
          {submitLabel}
        </Button>
      </Stack>
    </form>
  )
}
