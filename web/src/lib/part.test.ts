import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { part } from './part'

const failed = new TypeError('Failed to fetch dynamically imported module')

describe('a part of the page', () => {
  const reload = vi.fn()
  let server: 'away' | 'there'
  beforeEach(() => {
    vi.useFakeTimers()
    server = 'there'
    vi.stubGlobal('location', { reload })
    vi.stubGlobal('fetch', () => (server === 'there' ? Promise.resolve(Response.json({})) : Promise.reject(failed)))
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
    sessionStorage.clear()
    reload.mockReset()
  })

  it('comes once the server is back, without anybody asking again', async () => {
    server = 'away'
    const load = vi.fn(() => (server === 'there' ? Promise.resolve('part') : Promise.reject(failed)))
    const loaded = part(load)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(load).toHaveBeenCalledOnce()
    server = 'there'
    await vi.advanceTimersByTimeAsync(2_000)
    await expect(loaded).resolves.toBe('part')
    expect(reload).not.toHaveBeenCalled()
  })

  it('that the server does not have is looked for in a new page, once', async () => {
    const load = () => Promise.reject(failed)
    void part(load)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(reload).toHaveBeenCalledOnce()
    // The new page does not find it either.
    const refused = expect(part(load)).rejects.toBe(failed)
    await vi.advanceTimersByTimeAsync(1_000)
    await refused
    expect(reload).toHaveBeenCalledOnce()
    // After one that came there may be a new page again.
    await expect(part(() => Promise.resolve('other'))).resolves.toBe('other')
    void part(load)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(reload).toHaveBeenCalledTimes(2)
  })
})
