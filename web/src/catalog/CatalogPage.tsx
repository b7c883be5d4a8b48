import { Button, Group, SegmentedControl, Select, Text } from '@mantine/core'
import { IconBooks } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useMe } from '~/api/hooks'
import type { CatalogFacets } from '~/api/types'
import { EmptyState } from '~/components/EmptyState'
import { Facet, FacetGroup } from '~/components/Facets'
import { NothingFound } from '~/components/NothingFound'
import { Pages } from '~/components/Pages'
import { ProblemAlert } from '~/components/ProblemAlert'
import { SearchInput } from '~/components/SearchInput'
import { TemplateCardSkeleton } from '~/components/TemplateCard'
import { seesRepositories } from '~/lib/permissions'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import { CatalogCard } from './CatalogCard'
import { CatalogHead } from './CatalogHead'
import classes from './CatalogPage.module.css'
import { CATALOG_SORTS, type CatalogFilter } from './filter'
import { CATALOG_PAGE_SIZE, catalogQuery } from './queries'
import { useCatalogFeed } from './useCatalogFeed'

const route = getRouteApi('/authed/shell/admin/catalog')
const words = strings.catalog
const MOST_TAGS = 20
const NARROWING = ['search', 'category', 'tag', 'repository', 'installed'] as const

/** Everything that the repositories offer, installed or not; what is searched and chosen stands in the address. */
export function CatalogPage() {
  const filter = route.useSearch()
  const navigate = route.useNavigate()
  const refetchInterval = useCatalogFeed()
  const { data, error, isPending, isPlaceholderData, isLoadingError, refetch } = useQuery({
    ...catalogQuery(filter),
    placeholderData: keepPreviousData,
    refetchInterval,
  })
  const filtered = NARROWING.some((part) => filter[part] !== undefined)
  const total = data?.total ?? 0
  return (
    <>
      <CatalogHead />
      {isLoadingError && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
      {(isPending || filtered || total > 0) && !isLoadingError && <Filters facets={data?.facets} filter={filter} />}
      {!isLoadingError && (filtered || total > 0 || isPending) && (
        <Text size="sm" c="dimmed" role="status" mb="sm">
          {isPending ? strings.loading : words.found(total)}
        </Text>
      )}
      {isPending && (
        <div className={layout.cards}>
          {[1, 2, 3, 4, 5, 6].map((key) => (
            <TemplateCardSkeleton key={key} />
          ))}
        </div>
      )}
      {data && total > 0 && (
        <ul className={`${layout.cards} ${classes.list}`} aria-label={words.title} aria-busy={isPlaceholderData}>
          {data.items.map((template) => (
            <li key={template.id}>
              <CatalogCard template={template} />
            </li>
          ))}
        </ul>
      )}
      {data && total === 0 && (filtered ? <NothingFound words={words} onClear={() => void navigate({ search: {} })} /> : <EmptyCatalog />)}
      <Pages
        page={filter.page ?? 1}
        pages={Math.ceil(total / CATALOG_PAGE_SIZE)}
        onPage={(page) => void navigate({ search: (old) => ({ ...old, page }) })}
      />
    </>
  )
}

type Change = { [Part in keyof CatalogFilter]: CatalogFilter[Part] | undefined }

function Filters({ facets, filter }: { facets: CatalogFacets | undefined; filter: CatalogFilter }) {
  const navigate = route.useNavigate()
  const set = (change: Change) =>
    void navigate({ search: (old) => ({ ...old, ...change, page: undefined }), replace: true })
  const shown = words.installedOrNot
  return (
    <div className={classes.filters}>
      <Group gap="sm">
        <SearchInput
          className={classes.search}
          label={words.search}
          value={filter.search ?? ''}
          onSearch={(search) => set({ search: search || undefined })}
        />
        <SegmentedControl
          aria-label={words.shown}
          size="xs"
          data={(['all', 'yes', 'no'] as const).map((value) => ({ value, label: shown[value] }))}
          value={filter.installed ?? 'all'}
          onChange={(value) => set({ installed: value === 'all' ? undefined : value })}
        />
        <Select
          className={classes.order}
          aria-label={words.order}
          allowDeselect={false}
          data={CATALOG_SORTS.map((value) => ({ value, label: words.orders[value] }))}
          value={filter.sort ?? 'name'}
          onChange={(value) => set({ sort: value === 'name' ? undefined : (value ?? undefined) })}
        />
      </Group>
      <Choices label={words.category} part="category" facets={facets?.category} filter={filter} onSet={set} />
      <Choices label={words.tags} part="tag" facets={facets?.tag.slice(0, MOST_TAGS)} filter={filter} onSet={set} />
      {(facets?.repository.length ?? 0) > 1 && (
        <Choices label={words.repository} part="repository" facets={facets?.repository} filter={filter} onSet={set} />
      )}
    </div>
  )
}

interface ChoicesProps {
  label: string
  part: 'category' | 'tag' | 'repository'
  facets: CatalogFacets['tag'] | undefined
  filter: CatalogFilter
  onSet: (change: Change) => void
}

/** The values that one may choose one of, with how many templates each leaves. */
function Choices({ label, part, facets = [], filter, onSet }: ChoicesProps) {
  return (
    <FacetGroup label={label}>
      {facets.map(({ value, label: name, count }) => (
        <Facet
          key={value}
          label={name}
          number={count}
          checked={filter[part] === value}
          onToggle={() => onSet({ [part]: filter[part] === value ? undefined : value })}
        />
      ))}
    </FacetGroup>
  )
}

function EmptyCatalog() {
  const me = useMe()
  return (
    <EmptyState
      icon={<IconBooks size={24} stroke={1.6} />}
      title={words.none}
      text={words.noneText}
      action={
        seesRepositories(me) && (
          <Button renderRoot={(props) => <Link {...props} to="/admin/catalog/repositories" />}>{words.repositories}</Button>
        )
      }
    />
  )
}
