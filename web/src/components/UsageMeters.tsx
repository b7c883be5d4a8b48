import type { Session, Usage } from '~/api/types'
import { formatBytes, formatCores, parseQuantity } from '~/lib/quantity'
import { strings } from '~/strings'
import { Meter } from './Meter'

interface Props {
  session: Session
  usage: Usage | null | undefined
}

/** Used processor and memory of a session, each against what it may use. */
export function UsageMeters({ session, usage }: Props) {
  const cores = parseQuantity(session.spec.resources?.cpu)
  const memory = usage?.memoryLimitBytes ?? parseQuantity(session.spec.resources?.memory)
  const used = usage ? usage.cpuMillicores / 1000 : undefined
  return (
    <>
      <Meter
        label={strings.session.cpu}
        text={ofLimit(used, cores, formatCores, strings.session.cpuOf)}
        share={share(used, cores)}
      />
      <Meter
        label={strings.session.memory}
        text={ofLimit(usage?.memoryBytes, memory, formatBytes, strings.session.memoryOf)}
        share={share(usage?.memoryBytes, memory)}
      />
    </>
  )
}

function share(used: number | undefined, limit: number | undefined): number | undefined {
  return used === undefined || !limit ? undefined : used / limit
}

function ofLimit(
  used: number | undefined,
  limit: number | undefined,
  format: (value: number) => string,
  words: (used: string, limit: string) => string,
): string {
  if (used === undefined) return '–'
  return limit ? words(format(used), format(limit)) : format(used)
}
