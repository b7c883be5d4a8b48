import { Link } from '@tanstack/react-router'
import { formatExact, parseTime } from '~/lib/time'
import { strings } from '~/strings'
import classes from '~/components/DataTable.module.css'

const words = strings.repositories

/** From a row about something that happened at a time to the job that did it. */
export function JobLink({ job, at }: { job: string; at: string }) {
  return (
    <Link
      to="/admin/jobs/$id"
      params={{ id: job }}
      className={classes.link}
      aria-label={words.jobOf(formatExact(parseTime(at) ?? 0))}
    >
      {words.job}
    </Link>
  )
}
