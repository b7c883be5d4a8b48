import { Button, Text } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import { useEffect, useEffectEvent } from 'react'
import type { Problem } from '~/api/problem'
import { serverSays } from '~/lib/server'
import { strings } from '~/strings'
import classes from './ProblemAlert.module.css'

interface Props {
  problem: Problem
  /** Given where the same call can be made again: by a click, and by itself once what may pass has passed. */
  onRetry?: () => void
}

/** A failed call, in the server's words: what, why, which fields, and the request to quote when asking for help. */
export function ProblemAlert({ problem, onRetry }: Props) {
  useHealing(problem, onRetry)
  const detail = problem.message === problem.title ? undefined : problem.message
  return (
    <div role="alert" className={classes.alert}>
      <IconAlertTriangle size={18} aria-hidden className={classes.icon} />
      <div className={classes.words}>
        <Text size="sm" fw={600}>
          {problem.title}
        </Text>
        {detail && <Text size="sm">{detail}</Text>}
        {problem.fields.map(({ field, message }) => (
          <Text key={`${field} ${message}`} size="sm">
            {field !== '' && <code>{field}</code>} {message}
          </Text>
        ))}
        {problem.requestId && (
          <Text size="xs" c="dimmed" mt={4}>
            {strings.problem.request(problem.requestId)}
          </Text>
        )}
        {onRetry && (
          <Button size="xs" variant="default" mt="xs" onClick={onRetry}>
            {strings.retry}
          </Button>
        )}
      </div>
    </div>
  )
}

function useHealing(problem: Problem, onRetry: (() => void) | undefined): void {
  const passing = problem.passing && onRetry !== undefined
  const retry = useEffectEvent(() => onRetry?.())
  useEffect(() => {
    if (!passing) return
    const gone = new AbortController()
    void serverSays('/ready', gone.signal).then((ready) => {
      if (ready) retry()
    })
    return () => gone.abort()
  }, [passing, problem])
}
