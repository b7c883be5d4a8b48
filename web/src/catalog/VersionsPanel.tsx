import { Group, Select, Skeleton, Stack, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { CatalogDetail, CatalogVersion } from '~/api/types'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { Part } from '~/components/Part'
import { ProblemAlert } from '~/components/ProblemAlert'
import { RelativeTime } from '~/components/Time'
import { strings } from '~/strings'
import { DiffView } from './DiffView'
import { versionsQuery } from './queries'

const words = strings.catalog

interface Pair {
  from?: string | undefined
  to?: string | undefined
}

interface Props extends Pair {
  template: CatalogDetail
  onCompare: (pair: Pair) => void
}

/** Every version by its commit, and what is otherwise between two of them. */
export function VersionsPanel({ template, from, to, onCompare }: Props) {
  const { data: versions, error, isPending, refetch } = useQuery(versionsQuery(template.id))
  if (isPending) return <Skeleton h={160} />
  if (error) return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  const [latest, before] = versions
  if (!latest || !before) return <Text size="sm">{words.oneVersion}</Text>
  const known = (id: string | undefined) => versions.find((version) => version.id === id)?.id
  const pair = { from: known(from) ?? before.id, to: known(to) ?? latest.id }
  return (
    <Stack gap="xl">
      <VersionTable versions={versions} template={template} />
      <Part title={words.compare}>
        <Group gap="sm" mb="md">
          <VersionChoice
            label={words.compareFrom}
            versions={versions}
            value={pair.from}
            onChange={(id) => onCompare({ ...pair, from: id })}
          />
          <VersionChoice
            label={words.compareTo}
            versions={versions}
            value={pair.to}
            onChange={(id) => onCompare({ ...pair, to: id })}
          />
        </Group>
        <DiffView id={template.id} from={pair.from} to={pair.to} />
      </Part>
    </Stack>
  )
}

interface ChoiceProps {
  label: string
  versions: readonly CatalogVersion[]
  value: string
  onChange: (id: string) => void
}

function VersionChoice({ label, versions, value, onChange }: ChoiceProps) {
  return (
    <Select
      label={label}
      w={200}
      allowDeselect={false}
      data={versions.map(({ id, number, commit }) => ({ value: id, label: words.versionLabel(number, commit.slice(0, 8)) }))}
      value={value}
      onChange={(id) => id !== null && onChange(id)}
    />
  )
}

function VersionTable({ versions, template }: { versions: readonly CatalogVersion[]; template: CatalogDetail }) {
  return (
    <DataTable
      label={words.tabs.versions}
      dense
      columns={[
        { title: words.installVersion },
        { title: words.commit },
        { title: words.path, wide: true },
        { title: words.versionRead },
      ]}
    >
      {versions.map(({ id, number, commit, path, createdAt }) => (
        <Table.Tr key={id}>
          <Table.Td>
            <Text span size="sm" fw={600}>
              {number}
            </Text>{' '}
            <Text span size="xs" c="dimmed">
              {[
                id === template.latest.id && words.latest,
                ...template.installed.filter((place) => place.version === id).map(({ name }) => words.installedAs(name)),
              ]
                .filter(Boolean)
                .join(' · ')}
            </Text>
          </Table.Td>
          <Table.Td>
            <code className={`${table.code} ${table.whole}`}>{commit.slice(0, 8)}</code>
          </Table.Td>
          <Table.Td data-wide>
            <code className={table.code}>{path}</code>
          </Table.Td>
          <Table.Td>
            <RelativeTime at={createdAt} />
          </Table.Td>
        </Table.Tr>
      ))}
    </DataTable>
  )
}
