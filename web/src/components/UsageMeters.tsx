import type { Session, Template, Usage } from '~/api/types'
import { formatBytes, formatBytesOf, formatCores, parseQuantity } from '~/lib/quantity'
import { strings } from '~/strings'
import { Meter } from './Meter'

interface Props {
  session: Session
  template: Template | undefined
  usage: Usage | null | undefined
  /** Each in one line, for cards. */
  inline?: boolean
}

/** Used processor and memory of a session, each against what it may use. */
export function UsageMeters({ session, template, usage, inline = false }: Props) {
  const asked = { ...template?.spec.defaultResources, ...session.spec.resources }
  const cores = parseQuantity(asked.cpu)
  const memory = usage?.memoryLimitBytes || parseQuantity(asked.memory)
  return (
    <>
      <Meter
        inline={inline}
        label={strings.session.cpu}
        text={usage ? coresText(usage.cpuMillicores / 1000, cores) : '–'}
        share={share(usage && usage.cpuMillicores / 1000, cores)}
      />
      <Meter
        inline={inline}
        label={strings.session.memory}
        text={usage ? memoryText(usage.memoryBytes, memory) : '–'}
        share={share(usage?.memoryBytes, memory)}
      />
    </>
  )
}

function share(used: number | null | undefined, limit: number | undefined): number | undefined {
  return typeof used !== 'number' || !limit ? undefined : used / limit
}

function coresText(used: number, limit: number | undefined): string {
  return limit ? strings.session.cpuOf(formatCores(used), formatCores(limit), limit) : formatCores(used)
}

function memoryText(used: number, limit: number | undefined): string {
  return limit ? formatBytesOf(used, limit, strings.session.memoryOf) : formatBytes(used)
}
