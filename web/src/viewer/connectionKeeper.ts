import { answer, api } from '~/api/client'
import { Problem, problemOfFailure } from '~/api/problem'
import type { Connection } from '~/api/types'
import { backoff } from '~/live/backoff'

export interface KeeperState {
  connection?: Connection
  problem?: Problem
  /** Milliseconds that the last sign of life took, there and back. */
  roundTrip?: number
}

/** A third of the time after which the server takes a silent connection for gone. */
const HEARTBEAT_MS = 20_000

/**
 * Keeps this tab's connection to one running session: opens it, gives a sign of life while the page is looked at,
 * opens another when the server has forgotten it, and says good-bye.
 */
export class ConnectionKeeper {
  readonly #session: string
  readonly #listeners = new Set<() => void>()
  #state: KeeperState = {}
  #alive = false
  #run = 0
  #failures = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #beat: ReturnType<typeof setInterval> | undefined

  constructor(session: string) {
    this.#session = session
  }

  get state(): KeeperState {
    return this.#state
  }

  readonly listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  start(): void {
    this.#alive = true
    this.#beat = setInterval(() => void this.heartbeat(), HEARTBEAT_MS)
    document.addEventListener('visibilitychange', this.#seen)
    addEventListener('pagehide', this.#leave)
    void this.reconnect()
  }

  stop(): void {
    this.#alive = false
    this.#run += 1
    clearInterval(this.#beat)
    clearTimeout(this.#timer)
    document.removeEventListener('visibilitychange', this.#seen)
    removeEventListener('pagehide', this.#leave)
    this.#leave()
    this.#become({})
  }

  /** Opens a new connection in place of the present one; tries again by itself while the failure may pass. */
  readonly reconnect = async (): Promise<void> => {
    clearTimeout(this.#timer)
    const run = (this.#run += 1)
    try {
      // Opening a connection wakes a session: the person may want that, a tab that was left open may not.
      if (this.#state.connection && (await sleeps(this.#session))) {
        if (run === this.#run) this.#become({})
        return
      }
      const connection = await connect(this.#session)
      if (run !== this.#run) {
        disconnect(this.#session, connection.connectionId)
        return
      }
      this.#failures = 0
      this.#become({ connection, ...this.#roundTrip() })
      void this.heartbeat()
    } catch (failure) {
      if (run === this.#run) this.#failed(problemOfFailure(failure))
    }
  }

  /** Tells the server that the page is open and looked at. Work is counted by the server, from the traffic. */
  async heartbeat(): Promise<void> {
    const id = this.#state.connection?.connectionId
    if (id === undefined || document.visibilityState !== 'visible' || !document.hasFocus()) return
    const begun = performance.now()
    try {
      const path = { id: this.#session }
      const body = { connectionId: id, active: false }
      await answer(api.POST('/api/v1/sessions/{id}/heartbeat', { params: { path }, body }))
      if (this.#state.connection?.connectionId !== id) return
      this.#become({ ...this.#state, roundTrip: Math.round(performance.now() - begun) })
    } catch (failure) {
      const { status } = problemOfFailure(failure)
      // The server has forgotten it: the computer slept, or the server has lost its memory.
      if (status === 404 || status === 410) await this.reconnect()
    }
  }

  #failed(problem: Problem): void {
    // What is open stays open meanwhile: an app keeps its page.
    this.#become(mayPass(problem) ? { ...this.#state, problem } : { problem })
    if (!this.#alive || !mayPass(problem)) return
    const wait = problem.retryAfter === undefined ? backoff(this.#failures) : problem.retryAfter * 1000
    this.#failures += 1
    this.#timer = setTimeout(() => void this.reconnect(), wait)
  }

  #roundTrip(): Pick<KeeperState, 'roundTrip'> {
    const { roundTrip } = this.#state
    return roundTrip === undefined ? {} : { roundTrip }
  }

  #become(state: KeeperState): void {
    this.#state = state
    for (const listener of [...this.#listeners]) listener()
  }

  readonly #seen = (): void => void this.heartbeat()

  readonly #leave = (): void => {
    const id = this.#state.connection?.connectionId
    if (id !== undefined) disconnect(this.#session, id)
  }
}

/** Whether the session may take a connection in a moment; 409 is one that is changing its state. */
export function mayPass(problem: Problem): boolean {
  return problem.passing || problem.status === 409
}

async function sleeps(session: string): Promise<boolean> {
  const { spec } = await answer(api.GET('/api/v1/sessions/{id}', { params: { path: { id: session } } }))
  return spec.state === 'hibernated'
}

/** Opens a connection to a session, waking it if it sleeps. */
export function connect(session: string): Promise<Connection> {
  return answer(api.POST('/api/v1/sessions/{id}/connect', { params: { path: { id: session } } }))
}

/** Says good-bye; also while the tab closes, hence `keepalive`. The server notices by itself if this is lost. */
function disconnect(session: string, connectionId: string): void {
  const params = { path: { id: session } }
  const call = api.POST('/api/v1/sessions/{id}/disconnect', { params, body: { connectionId }, keepalive: true })
  void answer(call).catch(() => undefined)
}
