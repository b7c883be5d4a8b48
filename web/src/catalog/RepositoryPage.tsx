import { Button, Group, Skeleton, Stack, Text } from '@mantine/core'
import { IconRefresh } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useMe } from '~/api/hooks'
import type { Job, Repository } from '~/api/types'
import { BackLink } from '~/components/BackLink'
import table from '~/components/DataTable.module.css'
import { Facts, type Fact } from '~/components/Facts'
import { Missing } from '~/components/Missing'
import { PageTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { RelativeTime } from '~/components/Time'
import { formatDuration, parseDuration } from '~/lib/duration'
import { isActive } from '~/lib/job'
import { complain } from '~/lib/notices'
import { maySync, mayWriteCatalog } from '~/lib/permissions'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import { useSyncRepository } from './actions'
import { DeliveriesPart } from './DeliveriesPart'
import { activeSyncsQuery, repositoryQuery } from './queries'
import { readsOf, syncsByRepository } from './repository'
import { RepositoryMenu } from './RepositoryMenu'
import { RepositoryState } from './RepositoryState'
import { SyncsPart } from './SyncsPart'
import { useCatalogFeed } from './useCatalogFeed'
import { WebhookPanel } from './WebhookPanel'

const route = getRouteApi('/authed/shell/admin/catalog/repositories/$id')
const words = strings.repositories

/** One repository: how it is, what its syncs found, what is wrong with its files, and what its host told. */
export function RepositoryPage() {
  const { id } = route.useParams()
  const navigate = route.useNavigate()
  const me = useMe()
  const refetchInterval = useCatalogFeed()
  const { data: repository, error, isPending, refetch } = useQuery({ ...repositoryQuery(id), refetchInterval })
  const active = useQuery(activeSyncsQuery).data?.items.filter(isActive) ?? []
  if (isPending) return <Loading />
  if (error) {
    if (error.status === 404) return <Missing kind="repository" />
    return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  }
  const sync = syncsByRepository(active).get(id)
  const away = () => void navigate({ to: '/admin/catalog/repositories' })
  return (
    <>
      <BackLink to="/admin/catalog/repositories">{words.title}</BackLink>
      <PageTitle title={repository.name}>
        <Group gap="sm">
          {maySync(me) && !repository.builtIn && <SyncButton id={id} busy={sync !== undefined} />}
          <RepositoryMenu repository={repository} onRemoved={away} />
        </Group>
      </PageTitle>
      <Stack gap="xl">
        <div className={layout.panels}>
          <div className={layout.panel}>
            <State repository={repository} sync={sync} />
          </div>
          {!repository.builtIn && (
            <div className={layout.panel}>
              <WebhookPanel repository={repository} may={mayWriteCatalog(me)} />
            </div>
          )}
        </div>
        <SyncsPart id={id} />
        {!repository.builtIn && <DeliveriesPart id={id} />}
      </Stack>
    </>
  )
}

/** One that waits to be synced is not synced twice, so there is nothing to press meanwhile. */
function SyncButton({ id, busy }: { id: string; busy: boolean }) {
  const sync = useSyncRepository()
  return (
    <Button
      variant="default"
      leftSection={<IconRefresh size={16} />}
      loading={sync.isPending}
      disabled={busy}
      onClick={() => sync.mutate(id, { onError: complain })}
    >
      {words.sync}
    </Button>
  )
}

function State({ repository, sync }: { repository: Repository; sync: Job | undefined }) {
  const { url, auth, interval, syncedCommit, templateCount, lastError, status } = repository
  const { createdAt, createdBy, lastSyncAt, nextSyncAt } = repository
  const failed = status === 'failed' && !sync && lastError
  const seconds = parseDuration(interval ?? undefined)
  const usually = seconds === undefined ? words.intervalUsual : seconds === 0 ? words.onlyAsked : words.intervalEvery(formatDuration(seconds, 'long'))
  const builtInFacts: Fact[] = [
    [words.created, words.builtInText],
    [words.templates, String(templateCount)],
  ]
  const facts: Fact[] = [
    [words.url, <span key="url" className={table.message}>{url}</span>],
    [words.reference, readsOf(repository)],
    [words.access, accessOf(auth)],
    [words.templates, String(templateCount)],
    [words.at, syncedCommit && <code className={table.code}>{syncedCommit.slice(0, 12)}</code>],
    [words.lastSync, lastSyncAt ? <RelativeTime at={lastSyncAt} /> : words.neverSynced],
    [words.nextSync, nextSyncAt && seconds !== 0 && <RelativeTime at={nextSyncAt} />],
    [words.interval, usually],
    [words.created, <span key="created"><RelativeTime at={createdAt} /> {words.createdBy(createdBy)}</span>],
  ]
  return (
    <Stack gap="md">
      <RepositoryState repository={failed ? { ...repository, lastError: null } : repository} sync={sync} live />
      {failed && (
        <Text size="sm" c="var(--state-bad)" className={table.message}>
          {lastError}
        </Text>
      )}
      <Facts facts={repository.builtIn ? builtInFacts : facts} />
    </Stack>
  )
}

function accessOf({ type, username }: Repository['auth']): string {
  const text = words.accessText[type] ?? type
  return username ? `${text} (${username})` : text
}

/** As large as what will stand there. */
function Loading() {
  return (
    <Stack gap="lg" aria-hidden="true">
      <Skeleton h={36} w="40%" />
      <div className={layout.panels}>
        <Skeleton h={260} />
        <Skeleton h={260} />
      </div>
      <Skeleton h={160} />
    </Stack>
  )
}
