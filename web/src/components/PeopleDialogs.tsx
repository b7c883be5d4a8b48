import { Button, Checkbox, Code, CopyButton, Group, Loader, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import type { CreatedUser, Role, SignInLink, User } from '~/api/types'
import { say } from '~/lib/notices'
import { nameOf } from '~/lib/people'
import { ROLES } from '~/lib/permissions'
import { formatExact, parseTime } from '~/lib/time'
import { strings } from '~/strings'
import classes from './PeopleDialogs.module.css'
import { ProblemAlert } from './ProblemAlert'
import { TokenList } from './TokenList'
import { usePatchUser } from './usePatchUser'

const words = strings.people

/** User names are DNS labels. */
const NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/

interface DialogProps {
  user: User
  onClose: () => void
}

interface AddProps<Made> {
  onClose: () => void
  onAdded: (made: Made) => void
}

/** Makes somebody's account; the answer has the link through which they come in for the first time. */
export function AddPersonDialog(props: AddProps<CreatedUser>) {
  return <AddDialog {...props} title={words.add} make={(body) => answer(api.POST('/api/v1/users', { body }))} />
}

/** Makes a program's account. */
export function AddProgramDialog(props: AddProps<User>) {
  const make = (body: NewAccount) => answer(api.POST('/api/v1/service-accounts', { body }))
  return <AddDialog {...props} title={words.addProgram} text={words.programText} make={make} />
}

interface NewAccount {
  name: string
  displayName?: string
  roles: Role[]
}

interface AddDialogProps<Made> extends AddProps<Made> {
  title: string
  text?: string
  make: (account: NewAccount) => Promise<Made>
}

function AddDialog<Made extends User>({ title, text, make, onClose, onAdded }: AddDialogProps<Made>) {
  const client = useQueryClient()
  const [name, setName] = useState('')
  const [displayName, setDisplayName] = useState('')
  const [roles, setRoles] = useState<Role[]>(['user'])
  const bad = name !== '' && !NAME.test(name)
  const create = useMutation({
    mutationFn: () => {
      const shown = displayName.trim()
      return make({ name, roles, ...(shown === '' ? {} : { displayName: shown }) })
    },
    onSuccess: (user) => {
      void client.invalidateQueries({ queryKey: keys.users })
      say(words.created(nameOf(user)))
      onAdded(user)
    },
  })
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    create.mutate()
  }
  return (
    <Modal opened onClose={onClose} title={title}>
      <form onSubmit={submit}>
        <Stack>
          {text && <Text size="sm">{text}</Text>}
          <TextInput
            data-autofocus
            label={words.name}
            description={words.nameHint}
            autoCapitalize="none"
            spellCheck={false}
            error={bad ? words.nameBad : create.error?.about('name')}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <TextInput
            label={words.displayName}
            value={displayName}
            onChange={(event) => setDisplayName(event.currentTarget.value)}
          />
          <RoleChoice value={roles} onChange={setRoles} />
          {create.error && <ProblemAlert problem={create.error} />}
          <Buttons
            onClose={onClose}
            label={words.create}
            loading={create.isPending}
            disabled={name === '' || bad || roles.length === 0}
          />
        </Stack>
      </form>
    </Modal>
  )
}

export function RolesDialog({ user, onClose }: DialogProps) {
  const [roles, setRoles] = useState<Role[]>(user.roles)
  const patch = usePatchUser()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const done = () => {
      say(words.saved)
      onClose()
    }
    patch.mutate({ name: user.name, change: { roles } }, { onSuccess: done })
  }
  return (
    <Modal opened onClose={onClose} title={`${words.editRoles}: ${nameOf(user)}`}>
      <form onSubmit={submit}>
        <Stack>
          <RoleChoice value={roles} onChange={setRoles} />
          {patch.error && <ProblemAlert problem={patch.error} />}
          <Buttons onClose={onClose} label={strings.save} loading={patch.isPending} disabled={roles.length === 0} />
        </Stack>
      </form>
    </Modal>
  )
}

export function DisableDialog({ user, onClose }: DialogProps) {
  const patch = usePatchUser()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    patch.mutate({ name: user.name, change: { disabled: true } }, { onSuccess: onClose })
  }
  return (
    <Modal opened onClose={onClose} title={words.disableTitle(nameOf(user))}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{user.kind === 'service' ? words.disableProgramText : words.disableText}</Text>
          {patch.error && <ProblemAlert problem={patch.error} />}
          <Buttons onClose={onClose} label={words.disable} color="red" loading={patch.isPending} />
        </Stack>
      </form>
    </Modal>
  )
}

/** A one-time link: `made`, or a new one, made when the dialog opens. It is forgotten when the dialog closes. */
export function LinkDialog({ user, made, onClose }: DialogProps & { made?: SignInLink }) {
  const { data, error } = useQuery({
    queryKey: ['sign-in-link-of', user.name],
    queryFn: () => answer(api.POST('/api/v1/users/{name}/sign-in-link', { params: { path: { name: user.name } } })),
    initialData: made,
    retry: false,
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
  })
  const until = parseTime(data?.expiresAt)
  return (
    <Modal opened onClose={onClose} title={words.linkTitle(nameOf(user))}>
      {error && <ProblemAlert problem={error} />}
      {!data && !error && <Loader size="sm" role="img" aria-label={strings.loading} />}
      {data && (
        <Stack>
          <Text size="sm">{words.linkText(until === undefined ? '' : formatExact(until))}</Text>
          <Code block className={classes.link}>
            {data.url}
          </Code>
          <Group justify="flex-end">
            <CopyButton value={data.url}>
              {({ copied, copy }) => <Button onClick={copy}>{copied ? strings.copied : strings.copy}</Button>}
            </CopyButton>
          </Group>
        </Stack>
      )}
    </Modal>
  )
}

/** The tokens that let a program in. */
export function TokensDialog({ user, onClose }: DialogProps) {
  return (
    <Modal opened onClose={onClose} size="lg" title={words.tokensOf(nameOf(user))}>
      <TokenList account={user.name} />
    </Modal>
  )
}

function RoleChoice({ value, onChange }: { value: Role[]; onChange: (roles: Role[]) => void }) {
  return (
    <Checkbox.Group label={words.roles} value={value} onChange={(roles) => onChange(ROLES.filter((role) => roles.includes(role)))}>
      <Group mt={6}>
        {ROLES.map((role) => (
          <Checkbox key={role} value={role} label={strings.roles[role]} />
        ))}
      </Group>
    </Checkbox.Group>
  )
}

interface ButtonsProps {
  label: string
  loading: boolean
  disabled?: boolean
  color?: string
  onClose: () => void
}

function Buttons({ label, loading, disabled = false, color, onClose }: ButtonsProps) {
  return (
    <Group justify="flex-end" mt="sm">
      <Button variant="default" onClick={onClose}>
        {strings.cancel}
      </Button>
      <Button type="submit" color={color} loading={loading} disabled={disabled}>
        {label}
      </Button>
    </Group>
  )
}
