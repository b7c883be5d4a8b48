import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMe } from '~/api/hooks'
import type { Job } from '~/api/types'
import { repositoriesQuery } from '~/catalog/queries'
import { targetOf } from '~/lib/job'
import { mayReadNodes, seesRepositories } from '~/lib/permissions'
import classes from './DataTable.module.css'

/** What a job works on: a repository or a node by its name, where that is known and may be, else as the server writes it. */
export function JobTarget({ job }: { job: Pick<Job, 'target'> }) {
  const me = useMe()
  const id = targetOf(job, 'repository')
  const repositories = useQuery({ ...repositoriesQuery, enabled: id !== undefined && seesRepositories(me) }).data
  const repository = repositories?.find((known) => known.id === id)
  const node = targetOf(job, 'node')
  if (node !== undefined && mayReadNodes(me)) {
    return (
      <Link to="/admin/nodes/$name" params={{ name: node }} className={classes.quietLink} title={job.target}>
        {node}
      </Link>
    )
  }
  if (!repository) return <code className={classes.code}>{job.target}</code>
  return (
    <Link to="/admin/catalog/repositories/$id" params={{ id: repository.id }} className={classes.quietLink} title={job.target}>
      {repository.name}
    </Link>
  )
}
