import { Skeleton, Stack, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Badge } from '~/components/Badge'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { Part } from '~/components/Part'
import { ProblemAlert } from '~/components/ProblemAlert'
import { RelativeTime } from '~/components/Time'
import type { Sync } from '~/api/types'
import { strings } from '~/strings'
import { JobLink } from './JobLink'
import { ProblemTable } from './ProblemTable'
import { syncsQuery } from './queries'

const words = strings.repositories

/** What is wrong with the files as they are now, and the syncs before. */
export function SyncsPart({ id }: { id: string }) {
  const { data, error, isPending, refetch } = useQuery(syncsQuery(id))
  if (isPending) return <Skeleton h={140} />
  if (error) return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  const read = data.find(({ result }) => result === 'synced')
  return (
    <Stack gap="xl">
      {read && (
        <Part title={words.problems}>
          {read.problems.length === 0 ? (
            <Text size="sm">{words.noProblems}</Text>
          ) : (
            <ProblemTable label={words.problems} text={words.problemsText} problems={read.problems} />
          )}
        </Part>
      )}
      <Part title={words.history}>
        {data.length === 0 ? <Text size="sm">{words.noHistory}</Text> : <SyncTable syncs={data} />}
      </Part>
    </Stack>
  )
}

function SyncTable({ syncs }: { syncs: readonly Sync[] }) {
  return (
    <>
      <Text size="sm" c="dimmed" mb="sm">
        {words.historyText}
      </Text>
      <DataTable
        label={words.history}
        columns={[
          { title: words.ended, width: 140 },
          { title: words.result },
          { title: words.changes, wide: true },
          { title: words.at, width: 110, wide: true },
          { title: words.job, width: 64, unseen: true },
        ]}
      >
        {syncs.map((sync) => (
          <SyncRow key={sync.id} sync={sync} />
        ))}
      </DataTable>
    </>
  )
}

function SyncRow({ sync: { endedAt, result, error, added, changed, removed, problems, commit, job } }: { sync: Sync }) {
  const failed = result !== 'synced'
  return (
    <Table.Tr>
      <Table.Td>
        <RelativeTime at={endedAt} />
      </Table.Td>
      <Table.Td>
        <Badge look={failed ? 'failed' : 'good'} word={words.states[result] ?? result} />
        {error && (
          <Text size="xs" c="dimmed" className={table.message}>
            {error}
          </Text>
        )}
        {problems.length > 0 && (
          <Text size="xs" c="dimmed">
            {words.problemCount(problems.length)}
          </Text>
        )}
      </Table.Td>
      <Table.Td data-wide title={words.changeLong(added, changed, removed)}>
        {!failed && (
          <>
            <span aria-hidden="true">{words.change(added, changed, removed)}</span>
            <span className="visually-hidden">{words.changeLong(added, changed, removed)}</span>
          </>
        )}
      </Table.Td>
      <Table.Td data-wide>{commit && <code className={table.code}>{commit.slice(0, 8)}</code>}</Table.Td>
      <Table.Td>
        <JobLink job={job} at={endedAt} />
      </Table.Td>
    </Table.Tr>
  )
}
