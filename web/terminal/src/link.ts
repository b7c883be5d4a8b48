/** The connection to the shell. It comes back by itself, and the shell lives on meanwhile. */

export interface Size {
  columns: number
  rows: number
}

export type Message =
  | { type: 'replay'; bytes: number; ended: number | null }
  | { type: 'layout'; columns: number; rows: number; leads: boolean }
  | { type: 'ended'; status: number }
  | { type: 'started' }
  | { type: 'beat' }

export interface Listener {
  /** Bytes of the terminal. */
  output: (bytes: Uint8Array) => void
  message: (message: Message) => void
  connected: (connected: boolean) => void
  /** The size to connect with. */
  size: () => Size
}

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 5_000
/** The server says every 15 s that it is there. */
const SILENCE_MS = 35_000
/** A long paste is sent in pieces of this many bytes. */
const PIECE = 16 * 1024

export class Link {
  #socket: WebSocket | null = null
  #pause = FIRST_PAUSE_MS
  #retry: number | undefined
  #silence: number | undefined
  readonly #listener: Listener
  readonly #encoder = new TextEncoder()

  constructor(listener: Listener) {
    this.#listener = listener
    window.addEventListener('online', () => this.#hurry())
    document.addEventListener('visibilitychange', () => this.#hurry())
    this.#connect()
  }

  get connected() {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  /** Types `text`. What is typed while there is no connection is lost, as the person can see. */
  type(text: string) {
    const bytes = this.#encoder.encode(text)
    for (let start = 0; start < bytes.length; start += PIECE) this.#send(bytes.subarray(start, start + PIECE))
  }

  /** As {@link type}, for mouse reports, whose characters are bytes. */
  typeBytes(text: string) {
    this.#send(Uint8Array.from(text, (character) => character.charCodeAt(0)))
  }

  resize(size: Size) {
    this.#send(JSON.stringify({ type: 'resize', ...size }))
  }

  again() {
    this.#send(JSON.stringify({ type: 'again' }))
  }

  #send(data: string | Uint8Array<ArrayBuffer>) {
    if (this.connected) this.#socket?.send(data)
  }

  #connect() {
    const { columns, rows } = this.#listener.size()
    const address = new URL(`shell?columns=${columns}&rows=${rows}`, window.location.href)
    address.protocol = address.protocol.replace('http', 'ws')
    const socket = new WebSocket(address)
    socket.binaryType = 'arraybuffer'
    this.#socket = socket
    socket.onopen = () => {
      this.#pause = FIRST_PAUSE_MS
      this.#listener.connected(true)
      // The window may have found its size, or another one, while the connection was made.
      const now = this.#listener.size()
      if (now.columns !== columns || now.rows !== rows) this.resize(now)
    }
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      this.#heard()
      if (typeof event.data === 'string') this.#listener.message(JSON.parse(event.data) as Message)
      else this.#listener.output(new Uint8Array(event.data))
    }
    socket.onclose = () => this.#lost(socket)
    this.#heard()
  }

  /** A connection that is cut without a word is noticed by its silence. */
  #heard() {
    window.clearTimeout(this.#silence)
    const socket = this.#socket
    this.#silence = window.setTimeout(() => {
      socket?.close()
      if (socket) this.#lost(socket)
    }, SILENCE_MS)
  }

  #lost(socket: WebSocket) {
    if (socket !== this.#socket) return
    this.#socket = null
    window.clearTimeout(this.#silence)
    this.#listener.connected(false)
    const pause = this.#pause * (0.5 + Math.random() / 2)
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS)
    this.#retry = window.setTimeout(() => this.#connect(), pause)
  }

  /** The person is looking, or the network is back: no reason to wait. */
  #hurry() {
    if (this.#socket !== null || document.visibilityState !== 'visible') return
    window.clearTimeout(this.#retry)
    this.#connect()
  }
}
