import { Button, Table, Text } from '@mantine/core'
import type { Mapping } from '~/api/types'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { strings } from '~/strings'

const words = strings.sso

interface Props {
  rules: readonly Mapping[]
  onEdit: (rule: Mapping) => void
}

/** What each rule looks at, and what it gives. */
export function MappingTable({ rules, onEdit }: Props) {
  return (
    <DataTable
      label={words.rules}
      columns={[
        { title: words.principal },
        { title: words.gives, wide: true },
        { title: words.issuer, wide: true },
        { title: strings.columns.actions, width: 110, unseen: true },
      ]}
    >
      {rules.map((rule) => (
        <Table.Tr key={rule.id}>
          <Table.Td>
            <code>{rule.principal}</code>
            {!rule.enabled && (
              <Text size="xs" c="dimmed">
                {words.off}
              </Text>
            )}
            <div className={table.narrow}>{given(rule)}</div>
          </Table.Td>
          <Table.Td data-wide>{given(rule)}</Table.Td>
          <Table.Td data-wide className={table.message}>
            {rule.issuer}
          </Table.Td>
          <Table.Td>
            <Button size="xs" variant="default" aria-label={words.editNamed(rule.principal)} onClick={() => onEdit(rule)}>
              {words.edit}
            </Button>
          </Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  )
}

/** What a rule gives, in words. */
export function given({ role, team }: Mapping): string {
  return [role && `${words.role}: ${strings.roles[role] ?? role}`, team && `${words.team}: ${team}`].filter(Boolean).join(' · ')
}
