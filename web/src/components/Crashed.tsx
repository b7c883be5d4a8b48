import { Button, Group } from '@mantine/core'
import { IconMoodSad } from '@tabler/icons-react'
import { useRouter, type ErrorComponentProps } from '@tanstack/react-router'
import { useEffect, useEffectEvent } from 'react'
import { Problem } from '~/api/problem'
import { strings } from '~/strings'
import classes from './Crashed.module.css'
import { EmptyState } from './EmptyState'
import { ProblemAlert } from './ProblemAlert'

/** A server that could not be reached is asked again this often, so that the page heals by itself. */
const AGAIN_MS = 3_000

/** In place of a page that could not be drawn. A call that failed says why itself. */
export function Crashed({ error, reset }: ErrorComponentProps) {
  const router = useRouter()
  const again = () => {
    reset()
    void router.invalidate()
  }
  const passing = error instanceof Problem && error.passing
  const heal = useEffectEvent(again)
  useEffect(() => {
    if (!passing) return
    const retry = () => heal()
    const timer = setInterval(retry, AGAIN_MS)
    addEventListener('online', retry)
    return () => {
      clearInterval(timer)
      removeEventListener('online', retry)
    }
  }, [passing])
  if (error instanceof Problem) {
    return (
      <main className={classes.alone}>
        <ProblemAlert problem={error} onRetry={again} />
      </main>
    )
  }
  return (
    <EmptyState
      icon={<IconMoodSad size={24} stroke={1.6} />}
      title={strings.problem.crashed}
      text={strings.problem.crashedDetail}
      action={
        <Group>
          <Button variant="default" onClick={again}>
            {strings.retry}
          </Button>
          <Button component="a" href="/">
            {strings.notFound.home}
          </Button>
        </Group>
      }
    />
  )
}
