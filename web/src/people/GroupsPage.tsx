import { ActionIcon, Anchor, Button, Menu, Table, Text } from '@mantine/core'
import { IconDotsVertical, IconUsersGroup, IconUsersPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useMe } from '~/api/hooks'
import type { Group } from '~/api/types'
import { DataTable } from '~/components/DataTable'
import { EmptyState } from '~/components/EmptyState'
import { PageTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { TableSkeleton } from '~/components/TableSkeleton'
import { RelativeTime } from '~/components/Time'
import { nameOf } from '~/lib/people'
import { maySetQuotas, mayWriteGroups } from '~/lib/permissions'
import { strings } from '~/strings'
import { AddGroupDialog, DeleteGroupDialog, MembersDialog } from './GroupDialogs'
import { groupsQuery } from './queries'
import { QuotaDialog } from './QuotaDialog'

const words = strings.groups

type Dialog = { kind: 'add' } | { kind: 'members' | 'quota' | 'delete'; group: Group }

/** Groups: who belongs to them, and what their members may use together. */
export function GroupsPage() {
  const may = mayWriteGroups(useMe())
  const { data, error, isPending, isLoadingError, refetch } = useQuery(groupsQuery)
  const [dialog, setDialog] = useState<Dialog>()
  const close = () => setDialog(undefined)
  const add = may && (
    <Button leftSection={<IconUsersPlus size={17} />} onClick={() => setDialog({ kind: 'add' })}>
      {words.add}
    </Button>
  )
  return (
    <>
      <PageTitle title={words.title}>{data && data.length > 0 && add}</PageTitle>
      {isPending && <TableSkeleton rows={3} />}
      {isLoadingError && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
      {data?.length === 0 && (
        <EmptyState
          icon={<IconUsersGroup size={24} stroke={1.6} />}
          title={words.none}
          text={words.noneText}
          action={add}
        />
      )}
      {data && data.length > 0 && <GroupTable groups={data} onDialog={setDialog} />}
      {dialog?.kind === 'add' && <AddGroupDialog onClose={close} />}
      {dialog?.kind === 'members' && <MembersDialog group={dialog.group} may={may} onClose={close} />}
      {dialog?.kind === 'delete' && <DeleteGroupDialog group={dialog.group} onClose={close} />}
      {dialog?.kind === 'quota' && (
        <QuotaDialog
          subject={{ kind: 'group', name: dialog.group.name, title: nameOf(dialog.group) }}
          onClose={close}
        />
      )}
    </>
  )
}

interface TableProps {
  groups: readonly Group[]
  onDialog: (dialog: Dialog) => void
}

function GroupTable({ groups, onDialog }: TableProps) {
  return (
    <DataTable
      label={words.title}
      columns={[
        { title: words.title },
        { title: words.members, width: 160 },
        { title: words.created, width: 180, wide: true },
        { title: strings.columns.actions, width: 52, unseen: true },
      ]}
    >
      {groups.map((group) => (
        <GroupRow key={group.name} group={group} onDialog={onDialog} />
      ))}
    </DataTable>
  )
}

function GroupRow({ group, onDialog }: { group: Group; onDialog: TableProps['onDialog'] }) {
  const me = useMe()
  return (
    <Table.Tr>
      <Table.Td>
        <Text size="sm" fw={600}>
          {nameOf(group)}
        </Text>
        <Text size="xs" c="dimmed">
          {group.name}
        </Text>
      </Table.Td>
      <Table.Td>
        <Anchor component="button" type="button" size="sm" onClick={() => onDialog({ kind: 'members', group })}>
          {words.count(group.members)}
        </Anchor>
      </Table.Td>
      <Table.Td data-wide>
        <RelativeTime at={group.createdAt} />
      </Table.Td>
      <Table.Td>
        <Menu>
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={strings.people.menu(nameOf(group))}>
              <IconDotsVertical size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => onDialog({ kind: 'members', group })}>{words.members}</Menu.Item>
            {maySetQuotas(me) && (
              <Menu.Item onClick={() => onDialog({ kind: 'quota', group })}>{strings.quota.menu}</Menu.Item>
            )}
            {mayWriteGroups(me) && (
              <Menu.Item c="var(--state-bad)" onClick={() => onDialog({ kind: 'delete', group })}>
                {strings.delete}
              </Menu.Item>
            )}
          </Menu.Dropdown>
        </Menu>
      </Table.Td>
    </Table.Tr>
  )
}
