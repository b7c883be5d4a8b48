import { Button } from '@mantine/core'
import { IconBriefcase, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useMe } from '~/api/hooks'
import type { Project } from '~/api/types'
import { EmptyState } from '~/components/EmptyState'
import { PageTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { TableSkeleton } from '~/components/TableSkeleton'
import { nameOf } from '~/lib/people'
import { mayWriteProjects } from '~/lib/permissions'
import { QuotaDialog } from '~/people/QuotaDialog'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import { ProjectPanel } from './ProjectPanel'
import { AddProjectDialog, DeleteProjectDialog } from './ProjectDialogs'
import { projectsQuery } from './queries'

const words = strings.projects

export type ProjectDialog = { kind: 'add' } | { kind: 'quota' | 'delete'; project: Project }

/** What several people work at: who belongs to each project, and what is used of what it may. */
export function ProjectsPage() {
  const may = mayWriteProjects(useMe())
  const { data, error, isPending, isLoadingError, refetch } = useQuery(projectsQuery)
  const [dialog, setDialog] = useState<ProjectDialog>()
  const close = () => setDialog(undefined)
  const add = may && (
    <Button leftSection={<IconPlus size={17} />} onClick={() => setDialog({ kind: 'add' })}>
      {words.add}
    </Button>
  )
  return (
    <>
      <PageTitle title={words.title}>{data && data.length > 0 && add}</PageTitle>
      {isPending && <TableSkeleton rows={3} />}
      {isLoadingError && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
      {data?.length === 0 && (
        <EmptyState
          icon={<IconBriefcase size={24} stroke={1.6} />}
          title={words.none}
          text={may ? words.noneTextMay : words.noneText}
          action={add}
        />
      )}
      {data && data.length > 0 && (
        <div className={layout.panels}>
          {data.map((project) => (
            <ProjectPanel key={project.name} project={project} onDialog={setDialog} />
          ))}
        </div>
      )}
      {dialog?.kind === 'add' && <AddProjectDialog onClose={close} />}
      {dialog?.kind === 'delete' && <DeleteProjectDialog project={dialog.project} onClose={close} />}
      {dialog?.kind === 'quota' && (
        <QuotaDialog
          subject={{ kind: 'project', name: dialog.project.name, title: nameOf(dialog.project) }}
          onClose={close}
        />
      )}
    </>
  )
}
