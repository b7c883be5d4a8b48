/** From this size on a frame is part of something that had to wait for the network, not of a blinking cursor. */
const TELLING_BYTES = 16 * 1024
/** Frames further apart than this, in milliseconds, have nothing to do with each other. */
const LONGEST_GAP_MS = 3_000
/** What was measured counts for this long: networks change. */
const MEMORY_MS = 30_000
/** Fewer samples than this may all be chance. */
const FEWEST = 4
/** Clocks of browsers are coarse, and frames that have piled up arrive all at once. */
const SHORTEST_GAP_MS = 1

interface Sample {
  at: number
  bitsPerSecond: number
}

/**
 * How much a connection carries, by the large frames that arrive on it one after the other. A frame may also have come
 * late because there was nothing to send, so the fastest of the last half minute is what the connection can do at least.
 */
export class Bandwidth {
  #samples: Sample[] = []
  #last: number | undefined

  /** Takes note of a frame of `bytes` that arrived at `now`, in milliseconds of any clock that only grows. */
  note(bytes: number, now: number): void {
    if (bytes < TELLING_BYTES) return
    const gap = this.#last === undefined ? Number.POSITIVE_INFINITY : now - this.#last
    this.#last = now
    if (gap > LONGEST_GAP_MS) return
    const bitsPerSecond = (bytes * 8 * 1000) / Math.max(gap, SHORTEST_GAP_MS)
    this.#samples = [...this.#samples.filter(({ at }) => now - at < MEMORY_MS), { at: now, bitsPerSecond }]
  }

  /** Bits a second; nothing until enough has come through. */
  get bitsPerSecond(): number | undefined {
    if (this.#samples.length < FEWEST) return undefined
    return Math.max(...this.#samples.map((sample) => sample.bitsPerSecond))
  }

  /** Forgets what was measured: another connection is another way. */
  reset(): void {
    this.#samples = []
    this.#last = undefined
  }
}
