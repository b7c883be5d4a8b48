export type PictureQuality = 'auto' | 'sharp' | 'fast'

/** noVNC's scales of 0 to 9: JPEG quality, and how much work the server puts into making it small. */
export interface Levels {
  qualityLevel: number
  compressionLevel: number
}

const MBIT = 1_000_000

/** The picture that is wanted; `auto` is what a connection allows that answers in `roundTrip` milliseconds. */
export function levelsOf(quality: PictureQuality, roundTrip = 0, bitsPerSecond = Number.POSITIVE_INFINITY): Levels {
  if (quality === 'sharp') return { qualityLevel: 9, compressionLevel: 1 }
  if (quality === 'fast' || roundTrip > 250 || bitsPerSecond < 2 * MBIT) return { qualityLevel: 2, compressionLevel: 8 }
  const middling = roundTrip > 80 || bitsPerSecond < 10 * MBIT
  return middling ? { qualityLevel: 5, compressionLevel: 5 } : { qualityLevel: 8, compressionLevel: 2 }
}
