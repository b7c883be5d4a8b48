import { Button, Text } from '@mantine/core'
import type { SignInProvider } from '~/api/types'
import { strings } from '~/strings'
import classes from './Providers.module.css'

const words = strings.signIn

interface Props {
  providers: readonly SignInProvider[]
  /** The page to come back to. */
  to: string
}

/** A way out to each identity provider, and back to the page that one wanted. */
export function Providers({ providers, to }: Props) {
  return providers.map(({ label, path }) => (
    <Button key={path} component="a" variant="default" href={leadingTo(path, to)}>
      {words.through(label)}
    </Button>
  ))
}

/** `path`, which may have parameters, with the page to come back to. */
function leadingTo(path: string, to: string): string {
  if (to === '/') return path
  return `${path}${path.includes('?') ? '&' : '?'}${new URLSearchParams({ to }).toString()}`
}

/** Why a provider's answer let nobody in. The address says only which of these words; anybody can write there. */
export function ProviderProblem({ problem, request }: { problem: string; request: string | undefined }) {
  const known = Object.hasOwn(words.problems, problem) ? (problem as keyof typeof words.problems) : 'failed'
  const { title, text } = words.problems[known]
  return (
    <div role="alert" className={classes.problem}>
      <Text fw={600} size="sm">
        {title}
      </Text>
      <Text size="sm">{text}</Text>
      {request && (
        <Text size="xs" c="dimmed" mt={4}>
          {strings.problem.request(request)}
        </Text>
      )}
    </div>
  )
}
