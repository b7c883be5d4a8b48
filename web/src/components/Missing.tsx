import { Button } from '@mantine/core'
import { IconMapQuestion } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { strings } from '~/strings'
import { EmptyState } from './EmptyState'
import { useDocumentTitle } from './PageTitle'

const words = strings.notFound
const LOOKS = {
  page: { title: words.title, text: words.text, to: '/', label: words.home },
  session: { title: words.session, text: words.sessionText, to: '/', label: words.home },
  job: { title: words.job, text: words.jobText, to: '/admin/jobs', label: words.allJobs },
  node: { title: words.node, text: words.nodeText, to: '/admin/nodes', label: words.allNodes },
  repository: {
    title: words.repository,
    text: words.repositoryText,
    to: '/admin/catalog/repositories',
    label: words.allRepositories,
  },
  catalogTemplate: {
    title: words.catalogTemplate,
    text: words.catalogTemplateText,
    to: '/admin/catalog',
    label: words.wholeCatalog,
  },
  template: { title: words.template, text: words.templateText, to: '/templates', label: words.gallery },
} as const

/** What was asked for is not there, or not for this person to know of. */
export function Missing({ kind }: { kind: keyof typeof LOOKS }) {
  const { title, text, to, label } = LOOKS[kind]
  useDocumentTitle(title)
  return (
    <EmptyState
      heading
      icon={<IconMapQuestion size={24} stroke={1.6} />}
      title={title}
      text={text}
      action={<Button renderRoot={(props) => <Link {...props} to={to} />}>{label}</Button>}
    />
  )
}
