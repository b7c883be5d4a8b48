import { Skeleton, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Fragment, memo, useState } from 'react'
import { jobLogQuery } from '~/api/queries'
import type { JobLogLine } from '~/api/types'
import { strings } from '~/strings'
import classes from './JobLog.module.css'
import { LogBox, LogLine } from './LogBox'
import { ProblemAlert } from './ProblemAlert'

interface Props {
  id: string
  /** Whether more is to be expected. */
  live: boolean
}

const words = strings.jobs
/** A line is not announced, so a log that is still written is looked at this often. */
const LOOK_MS = 2_000

/** What a job said, over all its attempts; it scrolls along as long as the person is at its end. */
export function JobLog({ id, live }: Props) {
  const { data, error, isPending, refetch } = useQuery({
    ...jobLogQuery(id),
    refetchInterval: live ? LOOK_MS : false,
  })
  const [follow, setFollow] = useState(true)
  if (isPending) return <Skeleton h={160} />
  if (error) return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  if (data.length === 0) return <Text size="sm">{words.noLog}</Text>
  return (
    <LogBox label={words.logLabel} className={classes.lines} announced of={data} follow={follow} onFollow={setFollow}>
      {data.map((line, index) => (
        <Fragment key={line.number}>
          {line.attempt !== data[index - 1]?.attempt && (
            <div className={classes.attempt}>{words.attemptBegins(line.attempt)}</div>
          )}
          <Line line={line} />
        </Fragment>
      ))}
    </LogBox>
  )
}

const Line = memo(function Line({ line: { time, level, message } }: { line: JobLogLine }) {
  return (
    <LogLine time={time} kind={level}>
      {message}
    </LogLine>
  )
})
