import type { Amounts } from '~/api/types'
import { Meter } from '~/components/Meter'
import { formatBytes, formatCores, parseQuantity } from '~/lib/quantity'
import { strings } from '~/strings'

const words = strings.nodes

/** What a machine has, and how it stands with it; also of all machines together. */
interface Load {
  allocatable: Amounts
  requested: Amounts
  used?: Amounts | null
}

interface Props {
  load: Load
  of: 'cpu' | 'memory' | 'storage'
}

/** Used (the bar), asked for (hatched behind it), and what there is for sessions. Nothing where that is not known. */
export function LoadMeter({ load: { allocatable, requested, used }, of }: Props) {
  const all = parseQuantity(allocatable[of])
  if (all === undefined || all === 0) return null
  const format = of === 'cpu' ? formatCores : formatBytes
  const [isUsed, isAsked] = [parseQuantity(used?.[of]), parseQuantity(requested[of])]
  const said = (amount: number | undefined) => (amount === undefined ? undefined : format(amount))
  return (
    <Meter
      label={words[of]}
      text={words.load(said(isUsed), said(isAsked), format(all))}
      share={isUsed === undefined ? undefined : isUsed / all}
      kept={isAsked === undefined ? undefined : isAsked / all}
    />
  )
}

export function LoadMeters({ load }: { load: Load }) {
  return (
    <>
      <LoadMeter load={load} of="cpu" />
      <LoadMeter load={load} of="memory" />
      <LoadMeter load={load} of="storage" />
    </>
  )
}
