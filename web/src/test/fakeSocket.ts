/** A WebSocket whose other end is the test. */
export class FakeSocket {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSED = 3
  /** Every socket the code under test has opened, in order. */
  static readonly all: FakeSocket[] = []

  /** What the server does with a new socket; nothing unless a test says so. */
  static greet: ((socket: FakeSocket) => void) | undefined

  static get last(): FakeSocket {
    const socket = FakeSocket.all.at(-1)
    if (!socket) throw new Error('no socket was opened')
    return socket
  }

  readonly #watchers: ((event: { data: string }) => void)[] = []
  readonly url: URL
  readonly sent: unknown[] = []
  readyState = FakeSocket.CONNECTING
  binaryType = 'blob'
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null

  constructor(url: string | URL) {
    this.url = new URL(url)
    FakeSocket.all.push(this)
    const { greet } = FakeSocket
    if (greet) queueMicrotask(() => greet(this))
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data))
  }

  close(): void {
    this.readyState = FakeSocket.CLOSED
  }

  /** For those who look on; only frames are told. */
  addEventListener(type: string, listener: (event: { data: string }) => void): void {
    if (type === 'message') this.#watchers.push(listener)
  }

  /** The server accepts. */
  open(): void {
    this.readyState = FakeSocket.OPEN
    this.onopen?.()
  }

  /** The server sends a frame. */
  frame(message: object): void {
    const event = { data: JSON.stringify(message) }
    this.onmessage?.(event)
    for (const watcher of this.#watchers) watcher(event)
  }

  /** The server, or the network, closes. */
  fail(code = 1006, reason = ''): void {
    this.readyState = FakeSocket.CLOSED
    this.onclose?.({ code, reason })
  }
}
