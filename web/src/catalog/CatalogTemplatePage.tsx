import { Group, Skeleton, Stack, Tabs, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import type { CatalogDetail } from '~/api/types'
import { BackLink } from '~/components/BackLink'
import { Missing } from '~/components/Missing'
import { Note } from '~/components/Note'
import { useDocumentTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { Tags } from '~/components/Tags'
import { Icon } from '~/components/TemplateIcon'
import { formatRelative, parseTime } from '~/lib/time'
import { useNow } from '~/lib/useNow'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import { AboutPanel } from './AboutPanel'
import { InstallPanel } from './InstallPanel'
import classes from './CatalogTemplatePage.module.css'
import { TEMPLATE_TABS, type TemplateTab } from './filter'
import { ParametersPanel } from './ParametersPanel'
import { catalogTemplateQuery } from './queries'
import { useCatalogFeed } from './useCatalogFeed'
import { VersionsPanel } from './VersionsPanel'

const route = getRouteApi('/authed/shell/admin/catalog/templates/$id')
const words = strings.catalog

/** One template of the catalog: what it is, what it asks, how it changed, and the way into the gallery. */
export function CatalogTemplatePage() {
  const { id } = route.useParams()
  const refetchInterval = useCatalogFeed()
  const { data: template, error, isPending, refetch } = useQuery({ ...catalogTemplateQuery(id), refetchInterval })
  useDocumentTitle(template?.displayName)
  if (isPending) return <Loading />
  if (error) {
    if (error.status === 404) return <Missing kind="catalogTemplate" />
    return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  }
  return (
    <>
      <BackLink to="/admin/catalog">{words.title}</BackLink>
      <div className={classes.page}>
        <div className={classes.main}>
          <Head template={template} />
          <Panels template={template} />
        </div>
        <div className={layout.panel}>
          <InstallPanel key={template.id} template={template} />
        </div>
      </div>
    </>
  )
}

function Head({ template }: { template: CatalogDetail }) {
  const { displayName, description, name, category, tags, icon, removedAt } = template
  return (
    <Stack gap="md">
      {removedAt && <Gone at={removedAt} />}
      {template.unverified && <Note title={words.unverified} text={words.unverifiedText} />}
      <Group wrap="nowrap" gap="md">
        <Icon icon={icon} words={[name, category, tags.join(' ')]} size={56} />
        <div>
          <Title order={1} fz={24}>
            {displayName}
          </Title>
          <Text size="sm" c="dimmed">
            {[category, words.from(template.repositoryName), words.installs(template.installs)].filter(Boolean).join(' · ')}
          </Text>
        </div>
      </Group>
      <Text className={classes.description}>{description === '' ? strings.templates.noDescription : description}</Text>
      <Tags tags={tags} />
    </Stack>
  )
}

function Gone({ at }: { at: string }) {
  const now = useNow(10_000)
  return <Note title={words.gone} text={words.goneText(formatRelative(parseTime(at) ?? now, now))} />
}

function Panels({ template }: { template: CatalogDetail }) {
  const { tab = 'about', from, to } = route.useSearch()
  const navigate = route.useNavigate()
  const show = (next: TemplateTab) => void navigate({ search: next === 'about' ? {} : { tab: next }, replace: true })
  return (
    <Tabs value={tab} onChange={(value) => show((value as TemplateTab | null) ?? 'about')} keepMounted={false}>
      <Tabs.List className={classes.tabs}>
        {TEMPLATE_TABS.map((value) => (
          <Tabs.Tab key={value} value={value}>
            {words.tabs[value]}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value="about" className={classes.panel}>
        <AboutPanel template={template} />
      </Tabs.Panel>
      <Tabs.Panel value="parameters" className={classes.panel}>
        <ParametersPanel spec={template.latest.spec} />
      </Tabs.Panel>
      <Tabs.Panel value="versions" className={classes.panel}>
        <VersionsPanel
          template={template}
          from={from}
          to={to}
          onCompare={(pair) => void navigate({ search: { tab: 'versions', ...pair }, replace: true })}
        />
      </Tabs.Panel>
      <Tabs.Panel value="manifest" className={classes.panel}>
        <pre className={classes.code} tabIndex={0} aria-label={words.manifestLabel}>
          {template.latest.manifest}
        </pre>
      </Tabs.Panel>
    </Tabs>
  )
}

/** As large as what will stand there. */
function Loading() {
  return (
    <div className={classes.page} aria-hidden="true">
      <Stack>
        <Skeleton h={56} w="60%" />
        <Skeleton h={48} />
        <Skeleton h={260} />
      </Stack>
      <Skeleton h={240} />
    </div>
  )
}
