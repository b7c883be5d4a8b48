import { Button, Group, Skeleton, Stack, Text } from '@mantine/core'
import { IconListDetails, IconMoon, IconTrash } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useCallback, useMemo, useState } from 'react'
import { useMe, usePatchSession, useSessions, useTemplatesByName } from '~/api/hooks'
import { activityQuery } from '~/api/queries'
import type { Phase, Session } from '~/api/types'
import { DeleteDialog } from '~/components/DeleteDialog'
import { EmptyState } from '~/components/EmptyState'
import { FilterSelect } from '~/components/FilterSelect'
import { NothingFound } from '~/components/NothingFound'
import { PageTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { SearchInput } from '~/components/SearchInput'
import { SessionTable } from '~/components/SessionTable'
import { TableSkeleton } from '~/components/TableSkeleton'
import { complain, say } from '~/lib/notices'
import { seesEveryone } from '~/lib/permissions'
import { canStop } from '~/lib/session'
import { matches, rowsOf, sorted, type Row, type Sort, type SortKey } from '~/lib/sessionTable'
import { strings } from '~/strings'
import classes from './SessionsPage.module.css'

const route = getRouteApi('/authed/shell/sessions')
const words = strings.sessions
const USUAL_SORT: Sort = '-created'
const NONE: ReadonlySet<string> = new Set()

/** Every session one may see, live; filters and order stand in the address. */
export function SessionsPage() {
  const { sort = USUAL_SORT, ...filter } = route.useSearch()
  const navigate = route.useNavigate()
  const me = useMe()
  const sessions = useSessions()
  const activity = useQuery(activityQuery).data
  const templates = useTemplatesByName()
  const all = useMemo(() => rowsOf(sessions.data ?? [], templates, activity, me), [sessions.data, templates, activity, me])
  const rows = sorted(
    all.filter((row) => matches(row, filter)),
    sort,
  )
  const selection = useSelection(rows)
  const sortBy = (key: SortKey) =>
    void navigate({ search: (old) => ({ ...old, sort: sort === key ? `-${key}` : key }), replace: true })
  return (
    <>
      <PageTitle title={words.title} />
      {sessions.isLoadingError && <ProblemAlert problem={sessions.error} onRetry={() => void sessions.refetch()} />}
      {sessions.isPending && <Loading />}
      {sessions.data?.length === 0 && <NoSessions />}
      {all.length > 0 && (
        <>
          <Filters rows={all} people={seesEveryone(me)} />
          <div className={classes.status}>
            {selection.rows.length > 0 ? (
              <BulkActions rows={selection.rows} onDone={selection.clear} />
            ) : (
              <Text size="sm" c="dimmed" role="status">
                {words.found(rows.length)}
              </Text>
            )}
          </div>
          {rows.length === 0 ? (
            <NothingFound words={words} onClear={() => void navigate({ search: {} })} />
          ) : (
            <SessionTable
              rows={rows}
              sort={sort}
              selected={selection.names}
              people={seesEveryone(me)}
              onSort={sortBy}
              onSelect={selection.set}
              onSelectAll={(on) => selection.all(on)}
            />
          )}
        </>
      )}
    </>
  )
}

/** Selected rows. Those that a filter hides or that are gone do not count. */
function useSelection(rows: readonly Row[]) {
  const [chosen, setChosen] = useState(NONE)
  const selected = rows.filter((row) => chosen.has(row.name))
  const set = useCallback((name: string, on: boolean) => {
    setChosen((old) => {
      const next = new Set(old)
      if (on) next.add(name)
      else next.delete(name)
      return next
    })
  }, [])
  return {
    rows: selected,
    names: new Set(selected.map((row) => row.name)),
    set,
    all: (on: boolean) => setChosen(on ? new Set(rows.filter((row) => row.changeable).map((row) => row.name)) : NONE),
    clear: () => setChosen(NONE),
  }
}

function BulkActions({ rows, onDone }: { rows: readonly Row[]; onDone: () => void }) {
  const [deleting, setDeleting] = useState<readonly Session[]>()
  const patch = usePatchSession()
  const [busy, setBusy] = useState(false)
  const stoppable = rows.filter((row) => canStop(row.phase))
  const stop = async () => {
    setBusy(true)
    const results = await Promise.allSettled(
      stoppable.map(({ name }) => patch.mutateAsync({ name, patch: { state: 'hibernated' } })),
    )
    setBusy(false)
    const failures = results.filter((result) => result.status === 'rejected')
    if (failures.length < results.length) say(words.stoppedMany(results.length - failures.length))
    if (failures[0]) complain(failures[0].reason)
    onDone()
  }
  return (
    <Group gap="sm" role="group" aria-label={words.selected(rows.length)}>
      <Text size="sm" fw={600} role="status">
        {words.selected(rows.length)}
      </Text>
      <Button
        size="xs"
        variant="default"
        leftSection={<IconMoon size={15} />}
        disabled={stoppable.length === 0}
        loading={busy}
        onClick={() => void stop()}
      >
        {words.stopMany}
      </Button>
      <Button
        size="xs"
        variant="default"
        c="var(--state-bad)"
        leftSection={<IconTrash size={15} />}
        onClick={() => setDeleting(rows.map((row) => row.session))}
      >
        {words.deleteMany}
      </Button>
      {deleting && <DeleteDialog sessions={deleting} onClose={() => setDeleting(undefined)} onDeleted={onDone} />}
    </Group>
  )
}

const PHASES = Object.keys(strings.phases) as Phase[]

function Filters({ rows, people }: { rows: readonly Row[]; people: boolean }) {
  const { search = '', phase, template, user } = route.useSearch()
  const navigate = route.useNavigate()
  const set = (change: Partial<ReturnType<typeof route.useSearch>>) =>
    void navigate({ search: (old) => ({ ...old, ...change }), replace: true })
  const used = new Map(rows.map(({ session, template: known }) => [session.spec.template, known?.spec.displayName]))
  const users = [...new Set(rows.map(({ session }) => session.spec.user))].sort()
  return (
    <Group gap="sm" mb="md">
      <SearchInput
        className={classes.search}
        label={words.search}
        value={search}
        onSearch={(text) => set({ search: text || undefined })}
      />
      <FilterSelect
        className={classes.filter}
        label={words.state}
        any={words.anyState}
        options={PHASES.map((value) => ({ value, label: strings.phases[value] }))}
        value={phase}
        onChange={(phase) => set({ phase })}
      />
      <FilterSelect
        className={classes.filter}
        label={words.template}
        any={words.anyTemplate}
        options={[...used].map(([value, label]) => ({ value, label: label ?? value }))}
        value={template}
        onChange={(template) => set({ template })}
      />
      {people && (
        <FilterSelect
          className={classes.filter}
          label={words.person}
          any={words.anyPerson}
          searchable
          options={users}
          value={user}
          onChange={(user) => set({ user })}
        />
      )}
    </Group>
  )
}

function NoSessions() {
  return (
    <EmptyState
      icon={<IconListDetails size={24} stroke={1.6} />}
      title={words.none}
      text={words.noneText}
      action={<Button renderRoot={(props) => <Link {...props} to="/templates" />}>{strings.home.all}</Button>}
    />
  )
}

/** As large as the filters and the table that will stand there. */
function Loading() {
  return (
    <Stack gap="md" aria-hidden="true">
      <Skeleton h={36} maw={600} />
      <TableSkeleton rows={8} />
    </Stack>
  )
}
