/** Differences below this are the network's doing and are left alone. */
const NOTICEABLE_MS = 3_000

let offset = Number.NEGATIVE_INFINITY

/**
 * Learns from the time on a frame how far this computer's clock is off, so that countdowns are right on a machine
 * whose clock is not. A frame is only ever late, so the largest difference seen is the nearest to the truth.
 */
export function noteServerTime(time: string | undefined): void {
  const at = time === undefined ? Number.NaN : Date.parse(time)
  if (!Number.isNaN(at)) offset = Math.max(offset, at - Date.now())
}

/** Now by the server's clock, in milliseconds since the epoch. */
export function serverNow(): number {
  return Math.abs(offset) > NOTICEABLE_MS && Number.isFinite(offset) ? Date.now() + offset : Date.now()
}
