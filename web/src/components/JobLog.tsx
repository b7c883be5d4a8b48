import { Skeleton, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Fragment, memo, useLayoutEffect, useRef } from 'react'
import { jobLogQuery } from '~/api/queries'
import type { JobLogLine } from '~/api/types'
import { formatClock, formatExact, parseTime } from '~/lib/time'
import { strings } from '~/strings'
import classes from './JobLog.module.css'
import { ProblemAlert } from './ProblemAlert'

interface Props {
  id: string
  /** Whether more is to be expected. */
  live: boolean
}

const words = strings.jobs
/** A line is not announced, so a log that is still written is looked at this often. */
const LOOK_MS = 2_000
/** Nearer to the end than this counts as being there. */
const NEAR_PX = 24

/** What a job said, over all its attempts; it scrolls along as long as the person is at its end. */
export function JobLog({ id, live }: Props) {
  const { data, error, isPending, refetch } = useQuery({
    ...jobLogQuery(id),
    refetchInterval: live ? LOOK_MS : false,
  })
  const box = useRef<HTMLDivElement>(null)
  const atEnd = useRef(true)
  useLayoutEffect(() => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [data])
  if (isPending) return <Skeleton h={160} />
  if (error) return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  if (data.length === 0) return <Text size="sm">{words.noLog}</Text>
  const scrolled = () => {
    if (!box.current) return
    const { scrollTop, scrollHeight, clientHeight } = box.current
    atEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_PX
  }
  return (
    <div ref={box} className={classes.lines} role="log" aria-label={words.logLabel} tabIndex={0} onScroll={scrolled}>
      {data.map((line, index) => (
        <Fragment key={line.number}>
          {line.attempt !== data[index - 1]?.attempt && (
            <div className={classes.attempt}>{words.attemptBegins(line.attempt)}</div>
          )}
          <Line line={line} />
        </Fragment>
      ))}
    </div>
  )
}

const Line = memo(function Line({ line: { time, level, message } }: { line: JobLogLine }) {
  const at = parseTime(time)
  return (
    <div className={classes.line} data-level={level}>
      {at !== undefined && (
        <time className={classes.time} dateTime={time} title={formatExact(at)}>
          {formatClock(at)}
        </time>
      )}
      <span className={classes.text}>{message}</span>
    </div>
  )
})
