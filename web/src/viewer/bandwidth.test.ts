import { describe, expect, it } from 'vitest'
import { Bandwidth } from './bandwidth'

const KIB = 1024

describe('the bandwidth of a desktop', () => {
  /** Frames of `bytes`, `gap` milliseconds apart. */
  const arrive = (bandwidth: Bandwidth, count: number, bytes: number, gap: number, from = 0) => {
    for (let frame = 0; frame < count; frame += 1) bandwidth.note(bytes, from + frame * gap)
  }

  it('is what large frames that follow each other show', () => {
    const bandwidth = new Bandwidth()
    arrive(bandwidth, 6, 64 * KIB, 524)
    expect((bandwidth.bitsPerSecond ?? 0) / 1e6).toBeCloseTo(1, 1)
  })

  it('is not known from little, nor from small frames however many', () => {
    const bandwidth = new Bandwidth()
    arrive(bandwidth, 4, 64 * KIB, 10)
    expect(bandwidth.bitsPerSecond).toBeUndefined()
    arrive(bandwidth, 1000, 2 * KIB, 300)
    expect(bandwidth.bitsPerSecond).toBeUndefined()
  })

  it('is not low only because there was little to draw', () => {
    const bandwidth = new Bandwidth()
    arrive(bandwidth, 20, 20 * KIB, 900)
    arrive(bandwidth, 2, 64 * KIB, 5, 18_000)
    expect((bandwidth.bitsPerSecond ?? 0) / 1e6).toBeGreaterThan(100)
  })

  it('follows a network that becomes slow', () => {
    const bandwidth = new Bandwidth()
    arrive(bandwidth, 10, 64 * KIB, 5)
    arrive(bandwidth, 80, 64 * KIB, 500, 1_000)
    expect((bandwidth.bitsPerSecond ?? 0) / 1e6).toBeLessThan(1.2)
  })
})
