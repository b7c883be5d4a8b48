import { locale } from '~/strings'

const UNITS = { h: 3600, m: 60, s: 1, ms: 0.001 } as const

/** Seconds of a duration as Kubernetes writes it: `1h30m` → 5400. Nothing for what is not one. */
export function parseDuration(text: string | undefined): number | undefined {
  if (!text || !/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) return undefined
  let seconds = 0
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) {
    seconds += Number(number) * UNITS[unit as keyof typeof UNITS]
  }
  return seconds
}

type Unit = 'day' | 'hour' | 'minute' | 'second'

const formats = new Map<string, Intl.NumberFormat>()

function amount(value: number, unit: Unit, display: 'short' | 'long'): string {
  const key = `${unit} ${display}`
  let format = formats.get(key)
  if (!format) {
    format = new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: display })
    formats.set(key, format)
  }
  return format.format(value)
}

/** The two largest parts of a duration: 5400 → `1 hr 30 min`; `long` spells them out. */
export function formatDuration(seconds: number, display: 'short' | 'long' = 'short'): string {
  const whole = Math.max(0, Math.round(seconds))
  const parts: [number, Unit][] = [
    [Math.floor(whole / 86_400), 'day'],
    [Math.floor((whole % 86_400) / 3600), 'hour'],
    [Math.floor((whole % 3600) / 60), 'minute'],
    [whole % 60, 'second'],
  ]
  const first = parts.findIndex(([value]) => value > 0)
  if (first === -1) return amount(0, 'second', display)
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => amount(value, unit, display))
    .join(' ')
}
