import { ActionIcon, Group, Table, Text } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { Part } from '~/components/Part'
import { strings } from '~/strings'

export interface Mark {
  id: string
  key: string
  value: string
  /** Absent where it is not to be removed. */
  remove?: (() => void) | undefined
}

interface Props {
  title: string
  empty: string
  marks: readonly Mark[]
  busy: boolean
  /** The way to one more. */
  children: ReactNode
}

/** What is stuck to a machine: labels, taints. */
export function Marks({ title, empty, marks, busy, children }: Props) {
  const words = strings.nodes
  return (
    <Part title={title}>
      {marks.length === 0 ? (
        <Text size="sm">{empty}</Text>
      ) : (
        <DataTable
          label={title}
          dense
          busy={busy}
          columns={[
            { title: words.key },
            { title: words.value },
            { title: strings.columns.actions, width: 52, unseen: true },
          ]}
        >
          {marks.map(({ id, key, value, remove }) => (
            <Table.Tr key={id}>
              <Table.Td>
                <code className={table.code}>{key}</code>
              </Table.Td>
              <Table.Td>
                <code className={table.code}>{value}</code>
              </Table.Td>
              <Table.Td>
                {remove && (
                  <ActionIcon variant="subtle" color="gray" aria-label={words.remove(id)} onClick={remove}>
                    <IconX size={16} />
                  </ActionIcon>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </DataTable>
      )}
      <Group mt="sm">{children}</Group>
    </Part>
  )
}
