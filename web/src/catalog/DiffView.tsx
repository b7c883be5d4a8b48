import { Skeleton, Stack, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { VersionDiff } from '~/api/types'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { ProblemAlert } from '~/components/ProblemAlert'
import { strings } from '~/strings'
import classes from './CatalogTemplatePage.module.css'
import { diffQuery } from './queries'

const words = strings.catalog

/** What is otherwise between two versions: the fields that mean something, then the lines of the file. */
export function DiffView({ id, from, to }: { id: string; from: string; to: string }) {
  const { data, error, isPending, refetch } = useQuery(diffQuery(id, from, to))
  if (isPending) return <Skeleton h={200} />
  if (error) return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  if (data.unified === '') return <Text size="sm">{words.same}</Text>
  return (
    <Stack gap="md">
      {data.fields.length > 0 && <Fields fields={data.fields} />}
      <pre className={`${classes.code} ${classes.diff}`} tabIndex={0} aria-label={words.diffLabel}>
        {linesOf(data.unified).map(({ text, kind }, index) => (
          <div key={index} data-kind={kind}>
            {kind === 'added' && <span className="visually-hidden">{words.lineAdded} </span>}
            {kind === 'removed' && <span className="visually-hidden">{words.lineRemoved} </span>}
            {text}
          </div>
        ))}
      </pre>
    </Stack>
  )
}

/** Lines as `diff -u` writes them. The two of its head name files, which the page has said already. */
function linesOf(unified: string): { text: string; kind: 'added' | 'removed' | 'place' | 'same' }[] {
  const lines = unified.replace(/\n$/, '').split('\n')
  const body = lines.slice(lines.findIndex((line) => line.startsWith('@@')))
  return body.map((text) => ({
    text: text === '' ? ' ' : text,
    kind: text.startsWith('@@') ? 'place' : text.startsWith('+') ? 'added' : text.startsWith('-') ? 'removed' : 'same',
  }))
}

function Fields({ fields }: Pick<VersionDiff, 'fields'>) {
  return (
    <DataTable
      label={words.compare}
      dense
      columns={[
        { title: words.field },
        { title: words.before },
        { title: words.after },
      ]}
    >
      {fields.map(({ field, before, after }) => (
        <Table.Tr key={field}>
          <Table.Td>
            <code className={`${table.code} ${table.whole}`}>{field.replace(/^spec\./, '')}</code>
          </Table.Td>
          <Table.Td className={table.message}>{valueText(before)}</Table.Td>
          <Table.Td className={table.message}>{valueText(after)}</Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  )
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return words.nothing
  return typeof value === 'string' ? value : JSON.stringify(value)
}
