import { backoff } from './backoff'
import { Cursors } from './cursor'
import { parseMessage, type Message } from './messages'
import { serverNow } from './serverTime'

export type LiveStatus =
  | { state: 'idle' }
  | { state: 'connecting'; attempt: number }
  | { state: 'open' }
  /** `retryAt`: milliseconds since the epoch, by the server's clock like all times of the page. */
  | { state: 'lost'; attempt: number; retryAt: number }

export interface LiveOptions {
  /** Path of the socket, on the page's own host. */
  path: string
  /** Topics that are read as long as the socket lives. */
  topics: readonly string[]
  /** The cursor to begin with. */
  begin?: string
  onMessage: (message: Message) => void
  /** Asks whether the server is there, when the socket has been silent. Rejects where it is not. */
  probe: () => Promise<unknown>
  /**
   * Called when the sign-in may have ended: the server closes the socket for that, or a socket cannot be opened, which browsers
   * tell alike for a server that refuses and for one that is away.
   */
  onDoubt: () => void
}

/** Close codes of the server: the reader was too slow; the person may no longer read. */
const CLOSE_POLICY = 1008
const CONNECT_TIMEOUT_MS = 10_000
/** A silence longer than this is looked into; browsers do not show a page the server's pings. */
const SILENCE_MS = 25_000
const WATCH_MS = 5_000

/**
 * The one WebSocket of a tab. It reconnects by itself, with capped and jittered back-off, at once when the network is
 * back or the tab is looked at again, and resumes each feed from its cursor.
 */
export class LiveSocket {
  readonly #options: LiveOptions
  readonly #cursors = new Cursors()
  readonly #extra = new Map<string, Set<(message: Message) => void>>()
  readonly #listeners = new Set<() => void>()
  #status: LiveStatus = { state: 'idle' }
  #socket: WebSocket | undefined
  #attempt = 0
  #lastFrame = 0
  #probing = false
  #retryTimer: ReturnType<typeof setTimeout> | undefined
  #watchTimer: ReturnType<typeof setInterval> | undefined

  constructor(options: LiveOptions) {
    this.#options = options
    this.#cursors.take(options.begin)
  }

  start(): void {
    if (this.#status.state !== 'idle') return
    addEventListener('online', this.retryNow)
    addEventListener('offline', this.#offline)
    document.addEventListener('visibilitychange', this.#seen)
    this.#watchTimer = setInterval(() => void this.#watch(), WATCH_MS)
    this.#connect()
  }

  stop(): void {
    removeEventListener('online', this.retryNow)
    removeEventListener('offline', this.#offline)
    document.removeEventListener('visibilitychange', this.#seen)
    clearInterval(this.#watchTimer)
    clearTimeout(this.#retryTimer)
    this.#drop()
    this.#attempt = 0
    this.#become({ state: 'idle' })
  }

  /** Stops waiting and tries now. Does nothing while connected or connecting. */
  readonly retryNow = (): void => {
    if (this.#status.state !== 'lost') return
    clearTimeout(this.#retryTimer)
    this.#connect()
  }

  /** Reads one more topic until the returned function is called. */
  readonly subscribe = (topic: string, handler: (message: Message) => void): (() => void) => {
    const handlers = this.#extra.get(topic) ?? new Set()
    if (handlers.size === 0) this.#send({ type: 'subscribe', topic })
    handlers.add(handler)
    this.#extra.set(topic, handlers)
    return () => {
      handlers.delete(handler)
      if (handlers.size > 0) return
      this.#extra.delete(topic)
      this.#send({ type: 'unsubscribe', topic })
    }
  }

  get status(): LiveStatus {
    return this.#status
  }

  /** Calls `listener` at each change of {@link status}, until the returned function is called. */
  readonly listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #connect(): void {
    this.#become({ state: 'connecting', attempt: this.#attempt })
    const url = new URL(this.#options.path, location.href)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    url.searchParams.set('topics', this.#options.topics.join(','))
    const cursor = this.#cursors.toString()
    if (cursor !== '') url.searchParams.set('cursor', cursor)
    const socket = new WebSocket(url)
    this.#socket = socket
    const timer = setTimeout(() => this.#lose(socket), CONNECT_TIMEOUT_MS)
    let opened = false
    socket.onopen = () => {
      clearTimeout(timer)
      opened = true
      this.#opened()
    }
    socket.onmessage = (event) => this.#take(event.data)
    socket.onclose = (event) => {
      clearTimeout(timer)
      if (event.code === CLOSE_POLICY || !opened) this.#options.onDoubt()
      this.#lose(socket, hintIn(event.reason))
    }
  }

  #opened(): void {
    this.#attempt = 0
    this.#lastFrame = Date.now()
    this.#become({ state: 'open' })
    for (const topic of this.#extra.keys()) this.#send({ type: 'subscribe', topic, cursor: this.#cursors.of(topic) })
  }

  #take(data: unknown): void {
    this.#lastFrame = Date.now()
    const message = typeof data === 'string' ? parseMessage(data) : undefined
    if (message === undefined) return
    // Applied first, noted after: what could not be applied is asked for again.
    const handlers = message.topic === undefined ? undefined : this.#extra.get(message.topic)
    if (handlers) for (const handler of [...handlers]) handler(message)
    else this.#options.onMessage(message)
    this.#cursors.take(message.cursor)
  }

  /** Gives up `socket`, once, and plans the next attempt, in `wait` milliseconds where the server has said when. */
  #lose(socket: WebSocket, wait = backoff(this.#attempt)): void {
    if (socket !== this.#socket) return
    this.#drop()
    this.#become({ state: 'lost', attempt: this.#attempt, retryAt: serverNow() + wait })
    this.#attempt += 1
    this.#retryTimer = setTimeout(() => this.#connect(), wait)
  }

  #drop(): void {
    const socket = this.#socket
    this.#socket = undefined
    if (!socket) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
  }

  #send(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message))
  }

  #become(status: LiveStatus): void {
    this.#status = status
    for (const listener of [...this.#listeners]) listener()
  }

  readonly #offline = (): void => {
    if (this.#socket) this.#lose(this.#socket)
  }

  readonly #seen = (): void => {
    if (document.visibilityState !== 'visible') return
    this.retryNow()
    void this.#watch()
  }

  /** A cut cable closes nothing: after a silence the server is asked for a sign of life. */
  async #watch(): Promise<void> {
    const socket = this.#socket
    if (this.#status.state !== 'open' || !socket || this.#probing) return
    if (document.visibilityState !== 'visible' || Date.now() - this.#lastFrame < SILENCE_MS) return
    this.#probing = true
    try {
      await this.#options.probe()
      this.#lastFrame = Date.now()
    } catch {
      this.#lose(socket)
    } finally {
      this.#probing = false
    }
  }
}

/** A server that stops spreads its readers: `the server restarts: reconnect in 1200 ms`. */
function hintIn(reason: string): number | undefined {
  const match = /reconnect in (\d{1,5}) ms/.exec(reason)
  return match ? Number(match[1]) : undefined
}
