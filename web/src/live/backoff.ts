const FIRST_MS = 300
const CAP_MS = 8_000

/**
 * Milliseconds to wait before attempt `attempt` (from 0): doubles from 0.3 s to at most 8 s, of which a random half
 * is taken, so that pages that lost the server together do not come back together.
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const whole = Math.min(CAP_MS, FIRST_MS * 2 ** attempt)
  return Math.round(whole / 2 + (whole / 2) * random())
}
