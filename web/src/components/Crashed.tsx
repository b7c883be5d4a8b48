import { Button, Group } from '@mantine/core'
import { IconMoodSad } from '@tabler/icons-react'
import { useRouter, type ErrorComponentProps } from '@tanstack/react-router'
import { Problem } from '~/api/problem'
import { strings } from '~/strings'
import classes from './Crashed.module.css'
import { EmptyState } from './EmptyState'
import { ProblemAlert } from './ProblemAlert'

/** In place of a page that could not be drawn. A call that failed says why itself. */
export function Crashed({ error, reset }: ErrorComponentProps) {
  const router = useRouter()
  const again = () => {
    reset()
    void router.invalidate()
  }
  if (error instanceof Problem) {
    return (
      <main className={classes.alone}>
        <h1 className="visually-hidden">{strings.product}</h1>
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
