import { describe, expect, it } from 'vitest'
import type { QuotaView } from '~/api/types'
import { limitedBy, nearlyUsed, passedBy, usedInWords } from './quota'

const quota: QuotaView = {
  name: 'ada',
  origin: 'own',
  limits: { sessions: 2, cpu: '1500m', memory: '4Gi' },
  used: { sessions: 1, cpu: '1', memory: '1536Mi', gpu: '0', storage: '10Gi' },
}

describe('limits', () => {
  it('are those that were set', () => {
    expect(limitedBy(quota)).toEqual(['sessions', 'cpu', 'memory'])
  })

  it('may be reached and not passed, and only what is asked for counts', () => {
    expect(passedBy(quota, { sessions: 1, cpu: 0.5, memory: 2.5 * 2 ** 30 })).toBeUndefined()
    expect(passedBy(quota, { sessions: 1, cpu: 0.6 })).toEqual({ dimension: 'cpu', limit: 1.5, used: 1 })
    expect(passedBy({ ...quota, used: { ...quota.used, sessions: 5 } }, { cpu: 0.1 })).toBeUndefined()
    expect(passedBy(quota, { storage: 2 ** 50 })).toBeUndefined()
  })

  it('are said to be nearly used from four fifths on', () => {
    const used = (sessions: number, memory: string) => nearlyUsed({ ...quota, used: { sessions, cpu: '0', memory } })
    expect(used(1, '3276Mi')).toEqual([])
    expect(used(2, '3277Mi')).toEqual(['sessions', 'memory'])
    expect(nearlyUsed({ ...quota, limits: {}, used: { sessions: 5 } })).toEqual([])
  })

  it('are told with what is used of them', () => {
    expect(usedInWords('cpu', 1, 1.5)).toBe('1 of 1.5')
    expect(usedInWords('memory', 1.5 * 2 ** 30, 4 * 2 ** 30)).toBe('1.5 of 4 GiB')
  })
})
