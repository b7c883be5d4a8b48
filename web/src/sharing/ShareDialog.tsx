import { ActionIcon, Button, CopyButton, Divider, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import type { Invitation, Session, Share, ShareLevel, Template } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { RelativeTime } from '~/components/Time'
import { isDesktop, titleOf } from '~/lib/session'
import { strings } from '~/strings'
import { invitationsQuery, sharesQuery } from './queries'
import classes from './ShareDialog.module.css'

const words = strings.sharing
const HOUR_MS = 3_600_000
/** For how long, in milliseconds; the first is without end and for people alone. */
const SPANS = { always: undefined, hour: HOUR_MS, day: 24 * HOUR_MS, week: 7 * 24 * HOUR_MS } as const
type Span = keyof typeof SPANS

interface Props {
  session: Session
  template: Template | undefined
  /** Whether the person may give as much as they have: its owner, or an administrator. */
  manages: boolean
  onClose: () => void
}

/** Who else may enter a session, and links that let people in. */
export function ShareDialog({ session, template, manages, onClose }: Props) {
  const { name } = session.metadata
  const levels = (['view', 'use', 'manage'] as const).filter(
    (level) => (level !== 'view' || (template && isDesktop(template))) && (level !== 'manage' || manages),
  )
  return (
    <Modal opened onClose={onClose} title={words.title(titleOf(session, template))} size="lg">
      <Stack>
        <Shares name={name} />
        <AddShare name={name} levels={levels} />
        <Divider label={words.links} labelPosition="left" />
        <Invitations name={name} />
        <AddInvitation name={name} levels={levels} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {strings.done}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}

function Shares({ name }: { name: string }) {
  const { data, error } = useQuery(sharesQuery(name))
  const end = useEnd(keys.shares(name), (share) =>
    api.DELETE('/api/v1/sessions/{id}/shares/{share}', { params: { path: { id: name, share } } }),
  )
  if (error) return <ProblemAlert problem={error} />
  if (!data) return null
  if (data.length === 0) return <Text size="sm">{words.nobody}</Text>
  return (
    <>
      <ul className={classes.list} aria-label={words.with}>
        {data.map((share) => (
          <Entry
            key={share.id}
            title={nameOfShare(share)}
            detail={words.levels[share.level]}
            until={share.expiresAt ?? undefined}
            label={words.end(nameOfShare(share))}
            onEnd={() => end.mutate(share.id)}
          />
        ))}
      </ul>
      {end.error && <ProblemAlert problem={end.error} />}
    </>
  )
}

const nameOfShare = (share: Share) => share.user ?? words.group(share.group ?? '')

interface EntryProps {
  title: string
  detail: string
  until: string | undefined
  label: string
  onEnd: () => void
}

function Entry({ title, detail, until, label, onEnd }: EntryProps) {
  return (
    <li className={classes.entry}>
      <span>
        <Text span size="sm" fw={600}>
          {title}
        </Text>{' '}
        <Text span size="sm">
          {detail}
        </Text>
        {until && (
          <Text size="xs" c="dimmed">
            {words.ends} <RelativeTime at={until} />
          </Text>
        )}
      </span>
      <ActionIcon variant="subtle" color="gray" aria-label={label} onClick={onEnd}>
        <IconX size={16} />
      </ActionIcon>
    </li>
  )
}

/** Ends something by its id, and looks again at what there is. */
function useEnd(key: readonly unknown[], remove: (id: string) => Parameters<typeof answer>[0]) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: async (id: string): Promise<void> => {
      await answer(remove(id))
    },
    onSettled: () => void client.invalidateQueries({ queryKey: key }),
  })
}

interface AddProps {
  name: string
  levels: readonly ShareLevel[]
}

function AddShare({ name, levels }: AddProps) {
  const client = useQueryClient()
  const [who, setWho] = useState('')
  const [kind, setKind] = useState<'user' | 'group'>('user')
  const [level, setLevel] = useState<ShareLevel>('use')
  const [span, setSpan] = useState<Span>('always')
  const add = useMutation({
    mutationFn: () => {
      const body = { [kind]: who.trim(), level, ...endOf(span) }
      return answer(api.POST('/api/v1/sessions/{id}/shares', { params: { path: { id: name } }, body }))
    },
    onSuccess: () => {
      setWho('')
      void client.invalidateQueries({ queryKey: keys.shares(name) })
    },
  })
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    add.mutate()
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Group align="flex-end" gap="sm">
          <Select
            label={words.kind}
            data={[
              { value: 'user', label: words.person },
              { value: 'group', label: words.groupKind },
            ]}
            allowDeselect={false}
            w={120}
            value={kind}
            onChange={(value) => setKind(value === 'group' ? 'group' : 'user')}
          />
          <TextInput
            data-autofocus
            label={words.name}
            autoCapitalize="none"
            spellCheck={false}
            value={who}
            onChange={(event) => setWho(event.currentTarget.value)}
          />
          <LevelSelect levels={levels} value={level} onChange={setLevel} />
          <SpanSelect spans={['always', 'hour', 'day', 'week']} value={span} onChange={setSpan} />
          <Button type="submit" loading={add.isPending} disabled={who.trim() === ''}>
            {words.share}
          </Button>
        </Group>
        {add.error && <ProblemAlert problem={add.error} />}
      </Stack>
    </form>
  )
}

const endOf = (span: Span) => {
  const length = SPANS[span]
  return length === undefined ? {} : { expiresAt: new Date(Date.now() + length).toISOString() }
}

interface SelectProps<Value extends string> {
  value: Value
  onChange: (value: Value) => void
}

function LevelSelect({ levels, value, onChange }: SelectProps<ShareLevel> & { levels: readonly ShareLevel[] }) {
  return (
    <Select
      label={words.level}
      data={levels.map((level) => ({ value: level, label: words.levels[level] }))}
      allowDeselect={false}
      w={150}
      value={value}
      onChange={(chosen) => chosen !== null && onChange(chosen)}
    />
  )
}

function SpanSelect({ spans, value, onChange }: SelectProps<Span> & { spans: readonly Span[] }) {
  return (
    <Select
      label={words.span}
      data={spans.map((span) => ({ value: span, label: words.spans[span] }))}
      allowDeselect={false}
      w={130}
      value={value}
      onChange={(chosen) => chosen !== null && onChange(chosen)}
    />
  )
}

function Invitations({ name }: { name: string }) {
  const { data, error } = useQuery(invitationsQuery(name))
  const withdraw = useEnd(keys.invitations(name), (invitation) =>
    api.DELETE('/api/v1/sessions/{id}/invitations/{invitation}', { params: { path: { id: name, invitation } } }),
  )
  if (error) return <ProblemAlert problem={error} />
  if (!data || data.length === 0) return null
  const title = (invitation: Invitation) => words.linkFor(invitation.usesLeft)
  return (
    <>
      <ul className={classes.list} aria-label={words.links}>
        {data.map((invitation) => (
          <Entry
            key={invitation.id}
            title={title(invitation)}
            detail={words.levels[invitation.level]}
            until={invitation.expiresAt}
            label={words.withdraw}
            onEnd={() => withdraw.mutate(invitation.id)}
          />
        ))}
      </ul>
      {withdraw.error && <ProblemAlert problem={withdraw.error} />}
    </>
  )
}

function AddInvitation({ name, levels }: AddProps) {
  const client = useQueryClient()
  const [level, setLevel] = useState<ShareLevel>('use')
  const [span, setSpan] = useState<Span>('day')
  const [uses, setUses] = useState('1')
  const create = useMutation({
    mutationFn: () => {
      const body = { level, uses: Number(uses), expiresAt: new Date(Date.now() + (SPANS[span] ?? HOUR_MS)).toISOString() }
      return answer(api.POST('/api/v1/sessions/{id}/invitations', { params: { path: { id: name } }, body }))
    },
    onSuccess: () => void client.invalidateQueries({ queryKey: keys.invitations(name) }),
  })
  return (
    <Stack gap="sm">
      <Group align="flex-end" gap="sm">
        <LevelSelect levels={levels} value={level} onChange={setLevel} />
        <Select
          label={words.uses}
          data={['1', '5', '20']}
          allowDeselect={false}
          w={100}
          value={uses}
          onChange={(value) => value !== null && setUses(value)}
        />
        <SpanSelect spans={['hour', 'day', 'week']} value={span} onChange={setSpan} />
        <Button variant="default" loading={create.isPending} onClick={() => create.mutate()}>
          {words.createLink}
        </Button>
      </Group>
      {create.error && <ProblemAlert problem={create.error} />}
      {create.data && (
        <Group gap="sm" wrap="nowrap" align="flex-end">
          <TextInput readOnly className={classes.link} label={words.link} description={words.once} value={create.data.url} />
          <CopyButton value={create.data.url}>
            {({ copied, copy }) => (
              <Button variant="default" onClick={copy}>
                {copied ? words.copied : words.copy}
              </Button>
            )}
          </CopyButton>
        </Group>
      )}
    </Stack>
  )
}
