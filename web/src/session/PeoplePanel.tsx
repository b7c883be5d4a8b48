import { Skeleton, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useMe } from '~/api/hooks'
import { connectionsQuery } from '~/api/queries'
import { ProblemAlert } from '~/components/ProblemAlert'
import { RelativeTime } from '~/components/Time'
import { strings } from '~/strings'

/** Who has the session open, from where and with what. */
export function PeoplePanel({ name }: { name: string }) {
  const me = useMe()
  const { data, error, isPending, refetch } = useQuery(connectionsQuery(name))
  if (isPending) return <Skeleton h={60} />
  if (error) return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  if (data.length === 0) return <Text size="sm">{strings.drawer.noConnections}</Text>
  return data.map((connection) => (
    <div key={connection.id}>
      <Text size="sm" fw={600}>
        {connection.user}
        {connection.user === me.name && (
          <Text span size="sm" c="dimmed" fw={400}>
            {' '}
            ({strings.people.you})
          </Text>
        )}
        {connection.enteredAs && connection.enteredAs !== 'owner' && (
          <Text span size="sm" c="dimmed" fw={400}>
            {' · '}
            {strings.sharing.enteredAs[connection.enteredAs]}
          </Text>
        )}
      </Text>
      <Text size="sm">{[browserOf(connection.userAgent), connection.clientAddress].filter(Boolean).join(' · ')}</Text>
      <Text size="xs" c="dimmed">
        <RelativeTime at={connection.connectedAt} />
      </Text>
    </div>
  ))
}

const BROWSERS: [RegExp, string][] = [
  [/Edg\//, 'Edge'],
  [/Firefox\//, 'Firefox'],
  [/Chrom(e|ium)\//, 'Chrome'],
  [/Safari\//, 'Safari'],
]
const SYSTEMS: [RegExp, string][] = [
  [/Android/, 'Android'],
  [/iPhone|iPad/, 'iOS'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/Linux/, 'Linux'],
]

/** `Chrome, Linux` out of a user agent; the beginning of one that is no browser's. */
function browserOf(userAgent: string | undefined): string | undefined {
  if (!userAgent) return undefined
  const find = (known: [RegExp, string][]) => known.find(([pattern]) => pattern.test(userAgent))?.[1]
  const browser = find(BROWSERS)
  return browser ? [browser, find(SYSTEMS)].filter(Boolean).join(', ') : userAgent.slice(0, 40)
}
