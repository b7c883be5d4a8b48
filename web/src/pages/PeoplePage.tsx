import { ActionIcon, Button, Group, Menu, Table, Text, TextInput } from '@mantine/core'
import { IconBan, IconCheck, IconDotsVertical, IconGauge, IconRobot, IconSearch, IconUserPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useMe } from '~/api/hooks'
import { usersQuery } from '~/api/queries'
import type { SignInLink, User } from '~/api/types'
import { PageTitle } from '~/components/PageTitle'
import { AddPersonDialog, AddProgramDialog, DisableDialog, LinkDialog, RolesDialog, TokensDialog } from '~/components/PeopleDialogs'
import { usePatchUser } from '~/components/usePatchUser'
import { ProblemAlert } from '~/components/ProblemAlert'
import { TableSkeleton } from '~/components/TableSkeleton'
import { Tags } from '~/components/Tags'
import { RelativeTime } from '~/components/Time'
import { nameOf } from '~/lib/people'
import { complain } from '~/lib/notices'
import { mayManagePeople, maySetQuotas } from '~/lib/permissions'
import { QuotaDialog } from '~/people/QuotaDialog'
import { strings } from '~/strings'
import { DataTable } from '~/components/DataTable'
import classes from '~/components/DataTable.module.css'

const words = strings.people

type Dialog =
  | { kind: 'add' | 'add-program' }
  | { kind: 'link'; user: User; made?: SignInLink }
  | { kind: 'roles' | 'disable' | 'quota' | 'tokens'; user: User }
  | { kind: 'everybody' }

/** Accounts: who there is, what they may do, and how they get in. */
export function PeoplePage() {
  const me = useMe()
  const users = useQuery(usersQuery)
  const [search, setSearch] = useState('')
  const [dialog, setDialog] = useState<Dialog>()
  const close = () => setDialog(undefined)
  const needle = search.trim().toLocaleLowerCase()
  const shown = users.data?.filter(({ name, displayName, email }) =>
    `${name} ${displayName} ${email ?? ''}`.toLocaleLowerCase().includes(needle),
  )
  return (
    <>
      <PageTitle title={words.title}>
        <Group gap="sm">
          {maySetQuotas(me) && (
            <Button
              variant="default"
              leftSection={<IconGauge size={17} />}
              onClick={() => setDialog({ kind: 'everybody' })}
            >
              {strings.quota.everybody}
            </Button>
          )}
          {mayManagePeople(me) && (
            <Button
              variant="default"
              leftSection={<IconRobot size={17} />}
              onClick={() => setDialog({ kind: 'add-program' })}
            >
              {words.addProgram}
            </Button>
          )}
          <Button leftSection={<IconUserPlus size={17} />} onClick={() => setDialog({ kind: 'add' })}>
            {words.add}
          </Button>
        </Group>
      </PageTitle>
      <TextInput
        type="search"
        maw={360}
        mb="md"
        leftSection={<IconSearch size={16} aria-hidden />}
        aria-label={words.search}
        placeholder={words.search}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
      />
      {users.isPending && <TableSkeleton rows={4} />}
      {users.error && <ProblemAlert problem={users.error} onRetry={() => void users.refetch()} />}
      {shown?.length === 0 && <Text size="sm">{words.empty}</Text>}
      {shown && shown.length > 0 && <PeopleTable users={shown} onDialog={setDialog} />}
      {dialog?.kind === 'add' && (
        <AddPersonDialog
          onClose={close}
          onAdded={(user) => setDialog({ kind: 'link', user, made: user.signInLink })}
        />
      )}
      {dialog?.kind === 'add-program' && (
        <AddProgramDialog onClose={close} onAdded={(user) => setDialog({ kind: 'tokens', user })} />
      )}
      {dialog?.kind === 'tokens' && <TokensDialog user={dialog.user} onClose={close} />}
      {dialog?.kind === 'link' && <LinkDialog user={dialog.user} made={dialog.made} onClose={close} />}
      {dialog?.kind === 'roles' && <RolesDialog user={dialog.user} onClose={close} />}
      {dialog?.kind === 'quota' && (
        <QuotaDialog
          subject={{ kind: 'user', name: dialog.user.name, title: nameOf(dialog.user) }}
          onClose={close}
        />
      )}
      {dialog?.kind === 'everybody' && (
        <QuotaDialog subject={{ kind: 'default', name: '', title: strings.quota.everybodyName }} onClose={close} />
      )}
      {dialog?.kind === 'disable' && <DisableDialog user={dialog.user} onClose={close} />}
    </>
  )
}

interface TableProps {
  users: readonly User[]
  onDialog: (dialog: Dialog) => void
}

function PeopleTable({ users, onDialog }: TableProps) {
  return (
    <DataTable
      label={words.title}
      columns={[
        { title: words.name },
        { title: words.roles, wide: true },
        { title: words.status, wide: true },
        { title: words.lastSignIn, wide: true },
        { title: strings.columns.actions, width: 52, unseen: true },
      ]}
    >
      {users.map((user) => (
        <PersonRow key={user.name} user={user} onDialog={onDialog} />
      ))}
    </DataTable>
  )
}

function PersonRow({ user, onDialog }: { user: User; onDialog: TableProps['onDialog'] }) {
  const me = useMe()
  const patch = usePatchUser()
  const self = user.name === me.name
  const program = user.kind === 'service'
  const roles = [...new Set([...user.roles, ...user.mappedRoles])].map((role) => strings.roles[role] ?? role)
  return (
    <Table.Tr>
      <Table.Td>
        <Text size="sm" fw={600}>
          {nameOf(user)}
          {self && (
            <Text span size="sm" c="dimmed" fw={400}>
              {' '}
              ({words.you})
            </Text>
          )}
        </Text>
        <Text size="xs" c="dimmed">
          {program ? `${user.name} · ${words.program}` : user.name}
        </Text>
        <div className={classes.narrow}>
          {[user.disabled && words.disabled, ...roles].filter(Boolean).join(' · ')}
        </div>
      </Table.Td>
      <Table.Td data-wide>
        <Tags tags={roles} />
      </Table.Td>
      <Table.Td data-wide>
        <span className={classes.result} data-failed={user.disabled || undefined}>
          {user.disabled ? <IconBan size={14} stroke={2.2} aria-hidden /> : <IconCheck size={14} stroke={2.5} aria-hidden />}
          {user.disabled ? words.disabled : words.active}
        </span>
      </Table.Td>
      <Table.Td data-wide>{user.lastSignInAt ? <RelativeTime at={user.lastSignInAt} /> : words.neverSignedIn}</Table.Td>
      <Table.Td>
        <Menu>
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={words.menu(nameOf(user))}>
              <IconDotsVertical size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {program ? (
              <Menu.Item onClick={() => onDialog({ kind: 'tokens', user })}>{words.tokens}</Menu.Item>
            ) : (
              <Menu.Item disabled={user.disabled} onClick={() => onDialog({ kind: 'link', user })}>
                {words.link}
              </Menu.Item>
            )}
            <Menu.Item onClick={() => onDialog({ kind: 'roles', user })}>{words.editRoles}</Menu.Item>
            {maySetQuotas(me) && (
              <Menu.Item onClick={() => onDialog({ kind: 'quota', user })}>{strings.quota.menu}</Menu.Item>
            )}
            {user.disabled ? (
              <Menu.Item
                onClick={() => patch.mutate({ name: user.name, change: { disabled: false } }, { onError: complain })}
              >
                {words.enable}
              </Menu.Item>
            ) : (
              <Menu.Item c="var(--state-bad)" disabled={self} onClick={() => onDialog({ kind: 'disable', user })}>
                {words.disable}
              </Menu.Item>
            )}
          </Menu.Dropdown>
        </Menu>
      </Table.Td>
    </Table.Tr>
  )
}
