import { Stack } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useMe } from '~/api/hooks'
import type { CatalogDetail } from '~/api/types'
import { Facts } from '~/components/Facts'
import { coresInWords, memoryInWords } from '~/components/LaunchSentence'
import { Part } from '~/components/Part'
import { RelativeTime } from '~/components/Time'
import table from '~/components/DataTable.module.css'
import { seesRepositories } from '~/lib/permissions'
import { strings } from '~/strings'
import { ProblemTable } from './ProblemTable'
import { Readme } from './Readme'
import { looksOf } from './spec'

const words = strings.catalog

/** What a template runs, what it may, and where it comes from. */
export function AboutPanel({ template }: { template: CatalogDetail }) {
  const { latest } = template
  const { image, kind, cpu, memory, capabilities, security } = looksOf(latest.spec)
  return (
    <Stack gap="xl">
      {template.readme && (
        <section aria-label={words.readme}>
          <Readme html={template.readme} />
        </section>
      )}
      <Facts
        facts={[
          [words.kind, strings.templates.kinds[kind]],
          [words.size, cpu && memory && strings.launch.sizeText(coresInWords(cpu), memoryInWords(memory))],
          [words.image, image && <code className={table.code}>{image}</code>],
          [words.capabilities, capabilities.join(', ')],
          [words.security, words.securities[security] ?? security],
          [words.repository, <RepositoryName key="repository" template={template} />],
          [words.path, <code key="path" className={table.code}>{latest.path}</code>],
          [words.commit, <code key="commit" className={table.code}>{latest.commit.slice(0, 12)}</code>],
          [words.updated, <RelativeTime key="updated" at={template.updatedAt} />],
          [words.added, <RelativeTime key="added" at={template.addedAt} />],
        ]}
      />
      {latest.notes.length > 0 && (
        <Part title={words.notes}>
          <ProblemTable label={words.notes} text={words.notesText} problems={latest.notes} />
        </Part>
      )}
    </Stack>
  )
}

function RepositoryName({ template: { repository, repositoryName } }: { template: CatalogDetail }) {
  if (!seesRepositories(useMe())) return repositoryName
  return (
    <Link to="/admin/catalog/repositories/$id" params={{ id: repository }} className={table.link}>
      {repositoryName}
    </Link>
  )
}
