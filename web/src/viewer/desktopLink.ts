import { backoff } from '~/live/backoff'
import { Bandwidth } from './bandwidth'
import { readClipboard, writeClipboard, type ClipboardAccess } from './clipboard'
import { EagerRfb } from './eagerRfb'
import { ALT, CTRL, SHIFT, type Key } from './keys'
import { isWayOut, leaveWindow } from './leave'
import { levelsOf, type Levels, type PictureQuality } from './quality'

export interface DesktopState {
  phase: 'connecting' | 'connected' | 'reconnecting'
  /** The text last copied in the session, if any. */
  received?: string
  /** Bits a second that the connection carries at least, where that is known; brought up to date now and then. */
  bitsPerSecond?: number
}

/** The picture is made sharper or coarser at most this often. */
const MEASURE_MS = 5_000
const CONNECT_TIMEOUT_MS = 8_000
/** A lost picture is fetched again within a second of the network's return, so for a minute it is tried that often. */
const EAGER_ATTEMPTS = 60
const EAGER_CAP_MS = 1_000

/**
 * The picture, keyboard and clipboard of a desktop session over a WebSocket that carries raw RFB. While the link is
 * down the last picture stands still; it is restored by itself.
 */
export class DesktopLink {
  #url = ''
  readonly #screen: HTMLElement
  readonly #still: HTMLCanvasElement
  readonly #listeners = new Set<() => void>()
  #state: DesktopState = { phase: 'connecting' }
  #rfb: EagerRfb | undefined
  #socket: WebSocket | undefined
  #attempt = 0
  #alive = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #access: ClipboardAccess = 'unavailable'
  #viewOnly = false
  /** What both sides are known to hold: it need not be sent again, nor come back. */
  #shared: string | undefined
  readonly #bandwidth = new Bandwidth()
  #measure: ReturnType<typeof setInterval> | undefined
  #wanted: { quality: PictureQuality; roundTrip: number | undefined } = { quality: 'auto', roundTrip: undefined }

  /** `screen` receives the live picture; `still` lies over it and shows the last one while there is none. */
  constructor(screen: HTMLElement, still: HTMLCanvasElement) {
    this.#screen = screen
    this.#still = still
  }

  get state(): DesktopState {
    return this.#state
  }

  readonly listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Connects to `url`; where a link is up already, its next attempt goes there. With `viewOnly` the picture is all there
   * is: no keys, no pointer, no clipboard, and the desktop keeps its size. A change of it takes effect at once.
   */
  open(url: string, viewOnly = false): void {
    const other = viewOnly !== this.#viewOnly
    this.#url = url
    this.#viewOnly = viewOnly
    if (this.#alive) {
      if (other) this.#connectAnew()
      return
    }
    this.#alive = true
    addEventListener('online', this.retryNow)
    addEventListener('offline', this.drop)
    addEventListener('focus', this.#offer)
    this.#screen.addEventListener('focusin', this.#offer)
    this.#screen.addEventListener('pointerenter', this.#offer)
    this.#screen.addEventListener('keydown', this.#wayOut, true)
    this.#measure = setInterval(this.#adapt, MEASURE_MS)
    this.#connect()
  }

  stop(): void {
    this.#alive = false
    clearTimeout(this.#timer)
    clearInterval(this.#measure)
    removeEventListener('online', this.retryNow)
    removeEventListener('offline', this.drop)
    removeEventListener('focus', this.#offer)
    this.#screen.removeEventListener('focusin', this.#offer)
    this.#screen.removeEventListener('pointerenter', this.#offer)
    this.#screen.removeEventListener('keydown', this.#wayOut, true)
    this.drop()
  }

  /** Stops waiting and tries now. Does nothing while connected or connecting. */
  readonly retryNow = (): void => {
    if (!this.#alive || this.#socket) return
    clearTimeout(this.#timer)
    this.#connect()
  }

  /** Gives up a link that is known to be dead before the browser knows. */
  readonly drop = (): void => {
    const socket = this.#socket
    if (!socket) return
    this.#rfb?.disconnect()
    socket.close()
    this.#lost(socket)
  }

  /** The picture stays meanwhile; nothing was lost. */
  #connectAnew(): void {
    if (this.#rfb && this.#state.phase === 'connected') {
      this.#keepPicture(this.#rfb)
      this.#become({ phase: 'connecting' })
    }
    this.drop()
    this.retryNow()
  }

  focus(): void {
    this.#rfb?.focus({ preventScroll: true })
  }

  /** Before the desktop hears of it; it must not keep the keys that are down, whose release it will not see. */
  readonly #wayOut = (event: KeyboardEvent): void => {
    if (!isWayOut(event)) return
    event.preventDefault()
    event.stopPropagation()
    for (const key of [CTRL, ALT, SHIFT]) this.hold(key, false)
    leaveWindow()
  }

  press(combination: readonly Key[]): void {
    for (const key of combination) this.hold(key, true)
    for (const key of combination.toReversed()) this.hold(key, false)
  }

  hold({ keysym, code }: Key, down: boolean): void {
    this.#rfb?.sendKey(keysym, code, down)
  }

  type(keysyms: readonly number[]): void {
    for (const keysym of keysyms) this.#rfb?.sendKey(keysym, null)
  }

  /** Puts `text` on the session's clipboard. */
  paste(text: string): void {
    this.#shared = text
    this.#rfb?.clipboardPasteFrom(text)
  }

  setAccess(access: ClipboardAccess): void {
    this.#access = access
    this.#offer()
  }

  /** How sharp the picture is; `auto` goes by what the connection carries and by `roundTrip`, in milliseconds. */
  setQuality(quality: PictureQuality, roundTrip: number | undefined): void {
    this.#wanted = { quality, roundTrip }
    if (this.#rfb) Object.assign(this.#rfb, this.#levels())
  }

  #levels(): Levels {
    return levelsOf(this.#wanted.quality, this.#wanted.roundTrip, this.#bandwidth.bitsPerSecond)
  }

  /** Setting a level tells the desktop, so only one that differs is set. */
  readonly #adapt = (): void => {
    const { bitsPerSecond } = this.#bandwidth
    const levels = this.#levels()
    if (this.#rfb && this.#rfb.qualityLevel !== levels.qualityLevel) Object.assign(this.#rfb, levels)
    if (bitsPerSecond !== undefined && bitsPerSecond !== this.#state.bitsPerSecond) this.#become({ bitsPerSecond })
  }

  #connect(): void {
    const socket = new WebSocket(this.#url, ['binary'])
    socket.binaryType = 'arraybuffer'
    this.#socket = socket
    this.#bandwidth.reset()
    socket.addEventListener('message', ({ data }) => {
      if (data instanceof ArrayBuffer) this.#bandwidth.note(data.byteLength, performance.now())
    })
    const timeout = setTimeout(() => socket === this.#socket && this.drop(), CONNECT_TIMEOUT_MS)
    const rfb = new EagerRfb(this.#screen, socket, { shared: true })
    this.#rfb = rfb
    rfb.scaleViewport = true
    rfb.viewOnly = this.#viewOnly
    rfb.resizeSession = !this.#viewOnly
    rfb.background = 'transparent'
    // noVNC leaves it out of the order of Tab.
    this.#screen.querySelector('canvas')?.setAttribute('tabindex', '0')
    Object.assign(rfb, this.#levels())
    rfb.addEventListener('connect', () => {
      clearTimeout(timeout)
      this.#attempt = 0
      this.#still.dataset['shown'] = 'false'
      this.#become({ phase: 'connected' })
      if (!this.#viewOnly) this.focus()
      this.#offer()
    })
    rfb.addEventListener('clipboard', (event) => void this.#receive(event.detail.text))
    rfb.addEventListener('disconnect', () => {
      clearTimeout(timeout)
      this.#lost(socket)
    })
  }

  /** Keeps the last picture and plans the next attempt, once for each socket. */
  #lost(socket: WebSocket): void {
    if (socket !== this.#socket) return
    if (this.#rfb && this.#state.phase === 'connected') this.#keepPicture(this.#rfb)
    this.#socket = undefined
    this.#rfb = undefined
    if (!this.#alive) return
    this.#become({ phase: this.#state.phase === 'connecting' ? 'connecting' : 'reconnecting' })
    const wait = backoff(this.#attempt)
    this.#attempt += 1
    this.#timer = setTimeout(() => this.#connect(), this.#attempt <= EAGER_ATTEMPTS ? Math.min(wait, EAGER_CAP_MS) : wait)
  }

  #keepPicture(rfb: EagerRfb): void {
    const picture = rfb.getImageData()
    this.#still.width = picture.width
    this.#still.height = picture.height
    this.#still.getContext('2d')?.putImageData(picture, 0, 0)
    this.#still.dataset['shown'] = 'true'
  }

  async #receive(text: string): Promise<void> {
    this.#become({ received: text })
    if (text === this.#shared || text === '') return
    this.#shared = text
    await writeClipboard(text)
  }

  /** Offers this computer's clipboard to the session, where the browser lets the page read it. */
  readonly #offer = (): void => {
    if (this.#viewOnly || this.#access !== 'granted' || this.#state.phase !== 'connected' || !document.hasFocus()) return
    void readClipboard().then((text) => {
      if (!this.#viewOnly && text !== undefined && text !== '' && text !== this.#shared) this.paste(text)
    })
  }

  #become(change: Partial<DesktopState>): void {
    this.#state = { ...this.#state, ...change }
    for (const listener of [...this.#listeners]) listener()
  }
}
