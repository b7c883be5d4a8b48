import { Badge, type Look } from '~/components/Badge'
import { strings } from '~/strings'

const LOOKS: Readonly<Record<string, Look>> = {
  pending: 'waiting',
  syncing: 'working',
  synced: 'good',
  failed: 'failed',
}

/** Where a repository is with its syncs; a state that this page does not know is shown by its own word. */
export function RepositoryBadge({ status, live = false }: { status: string; live?: boolean }) {
  return <Badge look={LOOKS[status] ?? 'waiting'} word={strings.repositories.states[status] ?? status} live={live} />
}
