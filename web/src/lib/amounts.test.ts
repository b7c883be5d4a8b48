import { describe, expect, it } from 'vitest'
import { formatDuration, parseDuration } from './duration'
import { formatBytes, formatBytesOf, parseQuantity, scaleCpu, scaleMemory } from './quantity'
import { formatRelative } from './time'

describe('quantities', () => {
  it.each([
    ['500m', 0.5],
    ['2', 2],
    ['1.5', 1.5],
    ['512Mi', 512 * 2 ** 20],
    ['2Gi', 2 * 2 ** 30],
    ['1G', 1e9],
    ['', undefined],
    ['lots', undefined],
    ['-1', undefined],
  ])('%s is %s', (text, value) => {
    expect(parseQuantity(text)).toBe(value)
  })

  it('scale to whole thousandths and MiB, in the shortest spelling, and never to nothing', () => {
    expect(scaleCpu('1', 0.5)).toBe('500m')
    expect(scaleCpu('500m', 2)).toBe('1')
    expect(scaleCpu('100m', 0.5)).toBe('100m')
    expect(scaleMemory('1Gi', 0.5)).toBe('512Mi')
    expect(scaleMemory('512Mi', 2)).toBe('1Gi')
    expect(scaleMemory('128Mi', 0.5)).toBe('128Mi')
  })

  it('are shown in the unit that keeps the number small', () => {
    expect(formatBytes(0)).toBe('0 B')
    expect(formatBytes(1023)).toBe('1,023 B')
    expect(formatBytes(1.5 * 2 ** 30)).toBe('1.5 GiB')
    expect(formatBytesOf(512 * 2 ** 20, 2 ** 31, (used, limit) => `${used} of ${limit}`)).toBe('0.5 of 2 GiB')
  })
})

describe('durations', () => {
  it.each([
    ['30m', 1800],
    ['1h30m', 5400],
    ['0s', 0],
    ['1500ms', 1.5],
    ['30', undefined],
    ['half an hour', undefined],
  ])('%s is %s seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds)
  })

  it('are shown with their two largest parts', () => {
    expect(formatDuration(0, 'long')).toBe('0 seconds')
    expect(formatDuration(90, 'long')).toBe('1 minute 30 seconds')
    expect(formatDuration(3600, 'long')).toBe('1 hour')
    expect(formatDuration(90_061, 'long')).toBe('1 day 1 hour')
  })
})

describe('times', () => {
  it('are said as one says them', () => {
    expect(formatRelative(1_000, 3_000)).toBe('now')
    expect(formatRelative(0, 61_000)).toBe('1 minute ago')
    expect(formatRelative(7_200_000, 0)).toBe('in 2 hours')
    expect(formatRelative(0, 25 * 3_600_000)).toBe('yesterday')
  })
})
