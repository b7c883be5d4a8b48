import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FakeSocket } from '~/test/fakeSocket'
import { LiveSocket } from './socket'

function live(probe: () => Promise<unknown> = () => Promise.resolve()) {
  const onMessage = vi.fn()
  const onDoubt = vi.fn()
  const socket = new LiveSocket({ path: '/api/v1/ws/events', topics: ['sessions'], onMessage, probe, onDoubt })
  socket.start()
  return { socket, onMessage, onDoubt }
}

const STEP_MS = 50

/** How long the socket waits, to the next 50 ms, before it tries again. */
function failAndWait(): number {
  const before = FakeSocket.all.length
  FakeSocket.last.fail()
  let waited = 0
  for (; FakeSocket.all.length === before; waited += STEP_MS) vi.advanceTimersByTime(STEP_MS)
  return waited
}

describe('the live socket', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('asks for its topics on the page’s own host', () => {
    const { socket } = live()
    expect(FakeSocket.last.url.href).toBe('ws://localhost:8000/api/v1/ws/events?topics=sessions')
    socket.stop()
  })

  it('comes back by itself and resumes where it was', () => {
    const { socket } = live()
    FakeSocket.last.open()
    FakeSocket.last.frame({ type: 'snapshot', topic: 'sessions', cursor: 'sessions:7', items: [] })
    FakeSocket.last.frame({ type: 'session.updated', topic: 'sessions', cursor: 'sessions:9,jobs:2' })
    FakeSocket.last.fail()
    expect(socket.status.state).toBe('lost')
    vi.advanceTimersByTime(400)
    expect(FakeSocket.all).toHaveLength(2)
    expect(FakeSocket.last.url.searchParams.get('cursor')).toBe('sessions:9,jobs:2')
    socket.stop()
  })

  it('waits longer after each failure, never more than eight seconds, and begins anew after a success', () => {
    const { socket } = live()
    const waits = Array.from({ length: 12 }, failAndWait)
    expect(waits[0]).toBeLessThanOrEqual(350)
    expect(waits.at(-1)).toBeGreaterThanOrEqual(4000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(8050)
    FakeSocket.last.open()
    FakeSocket.last.fail()
    vi.advanceTimersByTime(350)
    expect(socket.status.state).toBe('connecting')
    socket.stop()
  })

  it('tries at once when the network is back', () => {
    const { socket } = live()
    for (let failures = 0; failures < 6; failures += 1) {
      FakeSocket.last.fail()
      socket.retryNow()
    }
    FakeSocket.last.fail()
    const before = FakeSocket.all.length
    dispatchEvent(new Event('online'))
    expect(FakeSocket.all).toHaveLength(before + 1)
    socket.stop()
  })

  it('comes back when a server that stops has asked it to', () => {
    const { socket } = live()
    FakeSocket.last.open()
    FakeSocket.last.fail(1001, 'the server restarts: reconnect in 2500 ms')
    vi.advanceTimersByTime(2_400)
    expect(FakeSocket.all).toHaveLength(1)
    vi.advanceTimersByTime(200)
    expect(FakeSocket.all).toHaveLength(2)
    socket.stop()
  })

  it('gives up a socket that does not open within ten seconds', () => {
    const { socket } = live()
    vi.advanceTimersByTime(9_900)
    expect(socket.status.state).toBe('connecting')
    vi.advanceTimersByTime(200)
    expect(socket.status.state).toBe('lost')
    socket.stop()
  })

  it('notices a silent network by asking, and keeps a quiet socket whose server answers', async () => {
    const probe = vi.fn().mockResolvedValueOnce(undefined).mockRejectedValueOnce(new Error('no answer'))
    const { socket } = live(probe)
    FakeSocket.last.open()
    await vi.advanceTimersByTimeAsync(31_000)
    expect(probe).toHaveBeenCalledTimes(1)
    expect(socket.status.state).toBe('open')
    await vi.advanceTimersByTimeAsync(26_000)
    expect(probe).toHaveBeenCalledTimes(2)
    expect(socket.status.state).not.toBe('open')
    expect(FakeSocket.all).toHaveLength(2)
    socket.stop()
  })

  it('subscribes to further topics again after a reconnect, and only to those still wanted', () => {
    const { socket, onMessage } = live()
    FakeSocket.last.open()
    const seen = vi.fn()
    socket.subscribe('logs/local/a', seen)
    const stop = socket.subscribe('logs/local/b', seen)
    FakeSocket.last.frame({ type: 'log.lines', topic: 'logs/local/a', lines: [] })
    expect(seen).toHaveBeenCalledTimes(1)
    expect(onMessage).not.toHaveBeenCalled()
    stop()
    expect(FakeSocket.last.sent.at(-1)).toEqual({ type: 'unsubscribe', topic: 'logs/local/b' })
    FakeSocket.last.fail()
    vi.advanceTimersByTime(400)
    FakeSocket.last.open()
    expect(FakeSocket.last.sent).toEqual([{ type: 'subscribe', topic: 'logs/local/a' }])
    socket.stop()
  })

  it('asks who is signed in when the server closes it for policy', () => {
    const { socket, onDoubt } = live()
    FakeSocket.last.open()
    FakeSocket.last.fail(1001)
    expect(onDoubt).not.toHaveBeenCalled()
    vi.advanceTimersByTime(400)
    FakeSocket.last.open()
    FakeSocket.last.fail(1008)
    expect(onDoubt).toHaveBeenCalledTimes(1)
    socket.stop()
  })

  it('asks who is signed in when it is refused before it opens, as after the end of a sign-in', () => {
    const { socket, onDoubt } = live()
    FakeSocket.last.fail()
    expect(onDoubt).toHaveBeenCalledTimes(1)
    socket.stop()
  })

  it('opens nothing more once stopped', () => {
    const { socket } = live()
    FakeSocket.last.fail()
    socket.stop()
    vi.advanceTimersByTime(60_000)
    expect(FakeSocket.all).toHaveLength(1)
  })

  it('leaves what it does not understand alone', () => {
    const { socket, onMessage } = live()
    FakeSocket.last.open()
    FakeSocket.last.onmessage?.({ data: 'not json' })
    FakeSocket.last.onmessage?.({ data: '"a string"' })
    expect(onMessage).not.toHaveBeenCalled()
    FakeSocket.last.frame({ type: 'something.new' })
    expect(onMessage).toHaveBeenCalledTimes(1)
    socket.stop()
  })
})
