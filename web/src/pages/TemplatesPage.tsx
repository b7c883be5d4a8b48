import { Group, Switch, Text } from '@mantine/core'
import { IconLayoutGrid } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useDeferredValue, useMemo } from 'react'
import { templatesQuery } from '~/api/queries'
import type { Template } from '~/api/types'
import { CardGrid } from '~/components/CardGrid'
import { EmptyState } from '~/components/EmptyState'
import { Facet, FacetGroup } from '~/components/Facets'
import { NothingFound } from '~/components/NothingFound'
import { PageTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { SearchInput } from '~/components/SearchInput'
import { TemplateCard, TemplateCardSkeleton } from '~/components/TemplateCard'
import { canLaunch, passes, rank, type GalleryFilter } from '~/lib/template'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import classes from './TemplatesPage.module.css'

const route = getRouteApi('/authed/shell/templates')
const words = strings.templates
const MOST_TAGS = 16

/** The gallery. What is searched and chosen stands in the address. */
export function TemplatesPage() {
  const templates = useQuery(templatesQuery)
  const navigate = route.useNavigate()
  const filter = useFilter()
  const shownFor = useDeferredValue(filter)
  const found = useMemo(
    () => rank((templates.data ?? []).filter((template) => passes(template, shownFor)), shownFor.search),
    [templates.data, shownFor],
  )
  return (
    <>
      <PageTitle title={words.title} />
      {templates.isLoadingError && <ProblemAlert problem={templates.error} onRetry={() => void templates.refetch()} />}
      {templates.data?.length === 0 && (
        <EmptyState icon={<IconLayoutGrid size={24} stroke={1.6} />} title={words.none} text={words.noneText} />
      )}
      {(templates.isPending || (templates.data && templates.data.length > 0)) && (
        <>
          <Filters templates={templates.data ?? []} filter={filter} />
          <Text size="sm" c="dimmed" role="status" mb="sm">
            {templates.isPending ? strings.loading : words.found(found.length)}
          </Text>
          {templates.isPending && (
            <div className={layout.cards}>
              {[1, 2, 3, 4, 5, 6].map((key) => (
                <TemplateCardSkeleton key={key} />
              ))}
            </div>
          )}
          <CardGrid label={words.title} items={found} keyOf={({ metadata }) => metadata.name}>
            {(template) => <TemplateCard template={template} />}
          </CardGrid>
          {templates.data && found.length === 0 && <NothingFound words={words} onClear={() => void navigate({ search: {} })} />}
        </>
      )}
    </>
  )
}

function useFilter(): GalleryFilter {
  const { search = '', category, tags, here } = route.useSearch()
  return useMemo(
    () => ({ search, tags: tags ?? [], runsHere: here ?? false, ...(category === undefined ? {} : { category }) }),
    [search, category, tags, here],
  )
}

function Filters({ templates, filter }: { templates: readonly Template[]; filter: GalleryFilter }) {
  const navigate = route.useNavigate()
  const set = (change: Partial<ReturnType<typeof route.useSearch>>) =>
    void navigate({ search: (old) => ({ ...old, ...change }), replace: true })
  const categories = count(templates, filter, 'category', ({ spec }) => (spec.category ? [spec.category] : []))
  const tags = count(templates, filter, 'tags', ({ spec }) => spec.tags ?? [])
  const here = templates.filter((template) => passes(template, filter, 'runsHere') && canLaunch(template)).length
  const toggle = (tag: string) => {
    const next = filter.tags.includes(tag) ? filter.tags.filter((other) => other !== tag) : [...filter.tags, tag]
    set({ tags: next.length === 0 ? undefined : next })
  }
  return (
    <div className={classes.filters}>
      <Group gap="md">
        <SearchInput
          className={classes.search}
          label={words.search}
          value={filter.search}
          onSearch={(search) => set({ search: search || undefined })}
        />
        <Switch
          label={templates.length === 0 ? words.runsHere : `${words.runsHere} (${here})`}
          checked={filter.runsHere}
          onChange={(event) => set({ here: event.currentTarget.checked || undefined })}
        />
      </Group>
      <FacetGroup label={words.category}>
        {categories.map(([category, number]) => (
          <Facet
            key={category}
            label={category}
            number={number}
            checked={filter.category === category}
            onToggle={() => set({ category: filter.category === category ? undefined : category })}
          />
        ))}
      </FacetGroup>
      <FacetGroup label={words.tags}>
        {tags.slice(0, MOST_TAGS).map(([tag, number]) => (
          <Facet key={tag} label={tag} number={number} checked={filter.tags.includes(tag)} onToggle={() => toggle(tag)} />
        ))}
      </FacetGroup>
    </div>
  )
}

/** The values of a facet, most frequent first, with how many templates choosing each would leave; not those that leave none. */
function count(
  templates: readonly Template[],
  filter: GalleryFilter,
  facet: 'category' | 'tags',
  valuesOf: (template: Template) => readonly string[],
): [string, number][] {
  const numbers = new Map<string, number>()
  const total = new Map<string, number>()
  for (const template of templates) {
    // Tags add up, so a further tag counts within those chosen; categories replace each other.
    const counted = passes(template, filter, facet === 'category' ? 'category' : undefined)
    for (const value of valuesOf(template)) {
      numbers.set(value, (numbers.get(value) ?? 0) + (counted ? 1 : 0))
      total.set(value, (total.get(value) ?? 0) + 1)
    }
  }
  // A tag that a single template has tells no more than its name does.
  const isTelling = (tag: string) => (total.get(tag) ?? 0) > 1 || filter.tags.includes(tag)
  const byTotal = ([a]: [string, number], [b]: [string, number]) =>
    (total.get(b) ?? 0) - (total.get(a) ?? 0) || a.localeCompare(b)
  const isChosen = (value: string) => (facet === 'category' ? filter.category === value : filter.tags.includes(value))
  return [...numbers]
    .sort(byTotal)
    .filter(([value, number]) => (number > 0 || isChosen(value)) && (facet === 'category' || isTelling(value)))
}
