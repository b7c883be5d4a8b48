import type { QuotaAmounts, QuotaView } from '~/api/types'
import { strings } from '~/strings'
import { formatBytes, formatBytesOf, formatCores, parseQuantity } from './quantity'

/** What can be limited, at once and in a month, in the order in which it is shown. */
export const DIMENSIONS = [
  'sessions',
  'cpu',
  'memory',
  'gpu',
  'storage',
  'cpuHours',
  'memoryHours',
  'gpuHours',
] as const
export type Dimension = (typeof DIMENSIONS)[number]

/** The number behind an amount; nothing where there is no limit. */
export function amountOf(amounts: QuotaAmounts, dimension: Dimension): number | undefined {
  const amount = amounts[dimension]
  return typeof amount === 'number' ? amount : parseQuantity(amount)
}

export const limitedBy = (quota: QuotaView): Dimension[] =>
  DIMENSIONS.filter((dimension) => amountOf(quota.limits, dimension) !== undefined)

/** `1.5 of 4 GiB`, `3 of 5`. */
export function usedInWords(dimension: Dimension, used: number, limit: number): string {
  const words = strings.quota.of
  if (dimension === 'memory' || dimension === 'storage') return formatBytesOf(used, limit, words)
  return words(formatCores(used), formatCores(limit))
}

/** An amount alone: `4 GiB`, `3`. */
export function inWords(dimension: Dimension, amount: number): string {
  return dimension === 'memory' || dimension === 'storage' ? formatBytes(amount) : formatCores(amount)
}

/** From here on somebody is told that little is left. */
const LITTLE_LEFT = 0.8

/** The limits of which little is left. */
export const nearlyUsed = (quota: QuotaView): Dimension[] =>
  limitedBy(quota).filter((dimension) => {
    const limit = amountOf(quota.limits, dimension) ?? 0
    return (amountOf(quota.used, dimension) ?? 0) >= LITTLE_LEFT * limit
  })

/** The first limit of `quota` that `wanted` more would pass. */
export function passedBy(quota: QuotaView, wanted: Partial<Record<Dimension, number>>) {
  for (const dimension of DIMENSIONS) {
    const limit = amountOf(quota.limits, dimension)
    const used = amountOf(quota.used, dimension) ?? 0
    const more = wanted[dimension] ?? 0
    if (limit !== undefined && more > 0 && used + more > limit) return { dimension, limit, used }
  }
  return undefined
}
