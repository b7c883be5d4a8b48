import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fakeServer, json, nothing, problem } from '~/test/fakeServer'
import { aSession } from '~/test/fixtures'
import { ConnectionKeeper } from './connectionKeeper'
import { keysymOf, typed } from './keys'

describe('typed text as keys', () => {
  it.each([
    ['a', 0x61],
    ['ä', 0xe4],
    ['@', 0x40],
    ['€', 0x0100_20ac],
    ['😀', 0x0101_f600],
    ['\n', 0xff0d],
  ])('%s is keysym %i', (character, keysym) => {
    expect(keysymOf(character)).toBe(keysym)
  })

  it('sends only what changed, taking back what a screen keyboard corrected', () => {
    expect(typed('hel', 'hello')).toEqual([0x6c, 0x6f])
    expect(typed('teh', 'the')).toEqual([0xff08, 0xff08, 0x68, 0x65])
    expect(typed('a😀', 'a')).toEqual([0xff08])
    expect(typed('same', 'same')).toEqual([])
  })
})

describe('this tab’s connection to a session', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    vi.spyOn(document, 'hasFocus').mockReturnValue(true)
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function server(heartbeat: () => Response, session = aSession('s')) {
    let made = 0
    return fakeServer({ sessions: [session] }, {
      'POST /sessions/s/connect': () => json({ connectionId: `c${(made += 1)}`, url: `http://s.localhost/${made}` }),
      'POST /sessions/s/heartbeat': heartbeat,
      'POST /sessions/s/disconnect': nothing,
    })
  }
  const alive = () => json({ connectionId: 'c1', expiresAt: '2026-01-01T00:01:00Z' })

  it('is opened, kept with signs of life that are not activity, and closed', async () => {
    const { asked } = server(alive)
    const keeper = new ConnectionKeeper('s')
    keeper.start()
    await vi.advanceTimersByTimeAsync(0)
    expect(keeper.state.connection?.connectionId).toBe('c1')
    await vi.advanceTimersByTimeAsync(40_000)
    expect(asked('POST /sessions/s/heartbeat').map(({ body }) => body)).toEqual(
      Array(3).fill({ connectionId: 'c1', active: false }),
    )
    keeper.stop()
    await vi.advanceTimersByTimeAsync(0)
    expect(asked('POST /sessions/s/disconnect').map(({ body }) => body)).toEqual([{ connectionId: 'c1' }])
  })

  it('gives no sign of life while nobody looks', async () => {
    const { asked } = server(alive)
    const focus = vi.spyOn(document, 'hasFocus').mockReturnValue(false)
    const keeper = new ConnectionKeeper('s')
    keeper.start()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked('POST /sessions/s/heartbeat')).toHaveLength(0)
    focus.mockReturnValue(true)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(asked('POST /sessions/s/heartbeat')).toHaveLength(1)
    keeper.stop()
  })

  it('is opened anew when the server has forgotten it', async () => {
    const answers = [alive, () => problem(404, 'No such connection'), alive]
    server(() => (answers.shift() ?? alive)())
    const keeper = new ConnectionKeeper('s')
    keeper.start()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(keeper.state.connection?.connectionId).toBe('c2')
    keeper.stop()
  })

  it('wakes no session that fell asleep meanwhile', async () => {
    const { asked } = server(() => problem(404, 'No such connection'), aSession('s', { spec: { state: 'hibernated' } }))
    const keeper = new ConnectionKeeper('s')
    keeper.start()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked('POST /sessions/s/connect')).toHaveLength(1)
    expect(keeper.state.connection).toBeUndefined()
    keeper.stop()
  })

  it('is tried again while the failure may pass, and not when it is final', async () => {
    const answers = [() => problem(503, 'Busy'), () => problem(409, 'Not running'), () => problem(403, 'Not yours')]
    const { asked } = fakeServer({}, { 'POST /sessions/s/connect': () => (answers.shift() ?? nothing)() })
    const keeper = new ConnectionKeeper('s')
    keeper.start()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked('POST /sessions/s/connect')).toHaveLength(3)
    expect(keeper.state.problem?.status).toBe(403)
    keeper.stop()
  })

  it('leaves no connection behind that is answered after the good-bye', async () => {
    const { asked } = server(alive)
    const keeper = new ConnectionKeeper('s')
    keeper.start()
    keeper.stop()
    await vi.advanceTimersByTimeAsync(0)
    expect(asked('POST /sessions/s/connect')).toHaveLength(1)
    expect(asked('POST /sessions/s/disconnect')).toHaveLength(1)
  })
})
