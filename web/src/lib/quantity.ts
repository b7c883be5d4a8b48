import { locale } from '~/strings'

const SUFFIXES: Record<string, number> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

/** The number behind a Kubernetes quantity: `500m` → 0.5, `2Gi` → 2147483648. Nothing for what is not one. */
export function parseQuantity(text: string | null | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/.exec(text ?? '')
  return match ? Number(match[1]) * (SUFFIXES[match[2] ?? ''] ?? 1) : undefined
}

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const
/** Below this a number says too little with one digit behind the point. */
const SMALLEST_SHOWN = 0.5
const short = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 })

/** `1610612736` → `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const step = bytes < 1 ? 0 : Math.min(BINARY.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${short.format(bytes / 2 ** (10 * step))} ${BINARY[step] ?? 'B'}`
}

/** (`1610612736`, `2147483648`) → `1.5 of 2 GiB`: in the unit of the second, unless the first would be nearly 0 in it. */
export function formatBytesOf(used: number, limit: number, words: (used: string, limit: string) => string): string {
  const text = formatBytes(limit)
  const step = BINARY.findIndex((unit) => text.endsWith(` ${unit}`))
  const inUnit = used / 2 ** (10 * step)
  return words(used > 0 && inUnit < SMALLEST_SHOWN ? formatBytes(used) : short.format(inUnit), text)
}

const cores = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 })

export function formatCores(count: number): string {
  return cores.format(count)
}

/** A quantity of processors, scaled: (`1`, 0.5) → `500m`. Never less than 100 thousandths. */
export function scaleCpu(text: string, factor: number): string {
  const milli = Math.max(100, Math.round((parseQuantity(text) ?? 1) * factor * 1000))
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`
}

/** A quantity of memory, scaled, in whole MiB: (`1Gi`, 0.5) → `512Mi`. Never less than 128 MiB. */
export function scaleMemory(text: string, factor: number): string {
  const mebi = Math.max(128, Math.round(((parseQuantity(text) ?? 2 ** 30) * factor) / 2 ** 20))
  return mebi % 1024 === 0 ? `${mebi / 1024}Gi` : `${mebi}Mi`
}
