import { Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { systemQuery } from '~/api/queries'
import type { Template } from '~/api/types'
import { formatDuration, parseDuration } from '~/lib/duration'
import { formatBytes, formatCores, parseQuantity } from '~/lib/quantity'
import { resourcesOf, type Size } from '~/lib/template'
import { strings } from '~/strings'

interface Props {
  template: Template
  size: Size
  /** A duration, or null for the platform's default. */
  idleTimeout: string | null
  keepFiles: boolean
}

/** What pressing Start will do, in plain sentences. */
export function LaunchSentence({ template, size, idleTimeout, keepFiles }: Props) {
  const limits = useQuery(systemQuery).data?.limits
  const { cpu, memory } = resourcesOf(template, size)
  const idle = parseDuration(idleTimeout ?? template.spec.idleTimeout ?? limits?.idleTimeout.default)
  const words = strings.launch
  return (
    <Text size="sm" c="dimmed" aria-live="polite">
      {words.what(template.spec.displayName, coresInWords(cpu), memoryInWords(memory))}{' '}
      {keepFiles ? words.whatFiles : words.whatNoFiles}{' '}
      {idle === undefined ? '' : idle === 0 ? words.whatNever : words.whatIdle(formatDuration(idle, 'long'))}
    </Text>
  )
}

export function coresInWords(cpu: string): string {
  const cores = parseQuantity(cpu) ?? 0
  return strings.session.cores(cores, formatCores(cores))
}

export function memoryInWords(memory: string): string {
  return formatBytes(parseQuantity(memory) ?? 0)
}
