import type { QuotaView } from '~/api/types'
import { amountOf, limitedBy, usedInWords } from '~/lib/quota'
import { strings } from '~/strings'
import { Meter } from './Meter'

/** How much of each limit is used; nothing where nothing is limited. */
export function QuotaMeters({ quota }: { quota: QuotaView }) {
  return limitedBy(quota).map((dimension) => {
    const limit = amountOf(quota.limits, dimension) ?? 0
    const used = amountOf(quota.used, dimension) ?? 0
    return (
      <Meter
        key={dimension}
        label={strings.quota.dimensions[dimension]}
        text={usedInWords(dimension, used, limit)}
        // Of nothing everything is used.
        share={limit === 0 ? 1 : used / limit}
      />
    )
  })
}
