import { Button, Table, Text } from '@mantine/core'
import { IconGitBranch, IconPlus, IconRefresh } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useMe } from '~/api/hooks'
import type { Job, Repository } from '~/api/types'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { EmptyState } from '~/components/EmptyState'
import { ProblemAlert } from '~/components/ProblemAlert'
import { TableSkeleton } from '~/components/TableSkeleton'
import { RelativeTime } from '~/components/Time'
import { isActive } from '~/lib/job'
import { complain, say } from '~/lib/notices'
import { maySync, mayWriteCatalog } from '~/lib/permissions'
import { strings } from '~/strings'
import { useSyncAll } from './actions'
import { CatalogHead } from './CatalogHead'
import { activeSyncsQuery, repositoriesQuery } from './queries'
import { readsOf, syncsByRepository } from './repository'
import { RepositoryDialog } from './RepositoryDialog'
import { RepositoryMenu } from './RepositoryMenu'
import { RepositoryState } from './RepositoryState'
import { useCatalogFeed } from './useCatalogFeed'

const words = strings.repositories

/** Where templates come from, and how each repository is doing. */
export function RepositoriesPage() {
  const me = useMe()
  const refetchInterval = useCatalogFeed()
  const { data, error, isPending, isLoadingError, refetch } = useQuery({ ...repositoriesQuery, refetchInterval })
  const active = useQuery(activeSyncsQuery).data?.items.filter(isActive) ?? []
  const [adding, setAdding] = useState(false)
  const add = mayWriteCatalog(me) && (
    <Button leftSection={<IconPlus size={17} />} onClick={() => setAdding(true)}>
      {words.add}
    </Button>
  )
  const some = data !== undefined && data.length > 0
  return (
    <>
      <CatalogHead>
        {some && maySync(me) && <SyncAll />}
        {some && add}
      </CatalogHead>
      {isPending && <TableSkeleton rows={3} />}
      {isLoadingError && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
      {data?.length === 0 && (
        <EmptyState
          icon={<IconGitBranch size={24} stroke={1.6} />}
          title={words.none}
          text={words.noneText}
          action={add}
        />
      )}
      {some && <RepositoryTable repositories={data} syncs={syncsByRepository(active)} />}
      {adding && <RepositoryDialog onClose={() => setAdding(false)} />}
    </>
  )
}

function SyncAll() {
  const sync = useSyncAll()
  return (
    <Button
      variant="default"
      leftSection={<IconRefresh size={16} />}
      loading={sync.isPending}
      onClick={() => sync.mutate(undefined, { onSuccess: () => say(words.syncAllAsked), onError: complain })}
    >
      {words.syncAll}
    </Button>
  )
}

interface TableProps {
  repositories: readonly Repository[]
  syncs: ReadonlyMap<string, Job>
}

function RepositoryTable({ repositories, syncs }: TableProps) {
  return (
    <DataTable
      label={words.title}
      columns={[
        { title: words.name },
        { title: words.status, width: 260, wide: true },
        { title: words.templates, width: 100, wide: true },
        { title: words.lastSync, width: 140, wide: true },
        { title: strings.columns.actions, width: 52, unseen: true },
      ]}
    >
      {repositories.map((repository) => (
        <RepositoryRow key={repository.id} repository={repository} sync={syncs.get(repository.id)} />
      ))}
    </DataTable>
  )
}

function RepositoryRow({ repository, sync }: { repository: Repository; sync: Job | undefined }) {
  const { id, name, url, templateCount, lastSyncAt, builtIn } = repository
  return (
    <Table.Tr>
      <Table.Td>
        <Link to="/admin/catalog/repositories/$id" params={{ id }} className={table.link}>
          {name}
        </Link>
        <Text size="xs" c="dimmed" className={table.message}>
          {builtIn ? words.builtInText : `${url} · ${readsOf(repository)}`}
        </Text>
        <div className={table.narrow}>
          <RepositoryState repository={repository} sync={sync} />
        </div>
      </Table.Td>
      <Table.Td data-wide>
        <RepositoryState repository={repository} sync={sync} />
      </Table.Td>
      <Table.Td data-wide>{templateCount}</Table.Td>
      <Table.Td data-wide>{lastSyncAt ? <RelativeTime at={lastSyncAt} /> : words.neverSynced}</Table.Td>
      <Table.Td>
        <RepositoryMenu repository={repository} />
      </Table.Td>
    </Table.Tr>
  )
}
