import type { Phase } from '~/api/types'
import { strings } from '~/strings'
import { Badge, type Look } from './Badge'

const LOOKS: Record<Phase, Look> = {
  Pending: 'waiting',
  Starting: 'working',
  Running: 'good',
  Hibernating: 'settling',
  Hibernated: 'asleep',
  Terminating: 'ending',
  Terminated: 'ended',
  Failed: 'failed',
}

/** The state of a session in a word, with its shape. `live` makes screen readers hear changes. */
export function StateBadge({ phase, live = false }: { phase: Phase; live?: boolean }) {
  return <Badge look={LOOKS[phase]} word={strings.phases[phase]} live={live} />
}
