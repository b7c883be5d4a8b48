import { Select, Textarea, TextInput } from '@mantine/core'
import { strings } from '~/strings'
import type { PartProps } from './RepositoryDialog'
import { SIGN_INS, type SignInKind } from './repositoryForm'
import { PasswordField } from '../components/PasswordField'

const words = strings.repositories

/** How the server signs in to a repository. What it has already is shown to nobody, and stays unless it is replaced. */
export function SignInFields({ draft, problem, onChange, known }: PartProps & { known: boolean }) {
  const { signIn, token, username, password, privateKey, hostKey } = draft
  const kinds = SIGN_INS.filter((kind) => known || kind !== 'keep')
  return (
    <>
      <Select
        label={words.signIn}
        allowDeselect={false}
        data={kinds.map((value) => ({ value, label: words.signIns[value] }))}
        value={signIn}
        onChange={(value) => onChange({ signIn: value as SignInKind })}
      />
      {signIn === 'token' && (
        <PasswordField
          label={words.token}
          description={words.tokenHint}
          autoComplete="off"
          error={problem?.about('token')}
          value={token}
          onChange={(event) => onChange({ token: event.currentTarget.value })}
        />
      )}
      {signIn === 'basic' && (
        <>
          <TextInput
            label={words.username}
            autoComplete="off"
            error={problem?.about('username')}
            value={username}
            onChange={(event) => onChange({ username: event.currentTarget.value })}
          />
          <PasswordField
            label={words.password}
            description={words.tokenHint}
            autoComplete="new-password"
            error={problem?.about('password')}
            value={password}
            onChange={(event) => onChange({ password: event.currentTarget.value })}
          />
        </>
      )}
      {signIn === 'ssh' && (
        <>
          <Textarea
            label={words.privateKey}
            description={words.privateKeyHint}
            autosize
            minRows={3}
            maxRows={6}
            autoComplete="off"
            spellCheck={false}
            error={problem?.about('privateKey')}
            value={privateKey}
            onChange={(event) => onChange({ privateKey: event.currentTarget.value })}
          />
          <Textarea
            label={words.hostKey}
            description={words.hostKeyHint}
            autosize
            minRows={2}
            maxRows={6}
            spellCheck={false}
            error={problem?.about('hostKey')}
            value={hostKey}
            onChange={(event) => onChange({ hostKey: event.currentTarget.value })}
          />
        </>
      )}
    </>
  )
}
