import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FakeSocket } from '~/test/fakeSocket'
import { DesktopLink } from './desktopLink'
import { CTRL, ALT } from './keys'

/** noVNC's viewer as far as the link uses it; the test plays the desktop behind it. */
const { FakeRfb } = vi.hoisted(() => {
  class FakeRfb extends EventTarget {
    static readonly all: FakeRfb[] = []
    static get last(): FakeRfb {
      const rfb = FakeRfb.all.at(-1)
      if (!rfb) throw new Error('no viewer was made')
      return rfb
    }
    readonly keys: [number, string | null, boolean | undefined][] = []
    readonly pasted: string[] = []
    /** What was sent about the clipboard, in its order. */
    readonly clipboardMessages: string[] = []
    readonly _sock = this
    _clipboardServerCapabilitiesActions: Record<number, boolean> = {}
    static readonly messages = {
      extendedClipboardProvide: (rfb: FakeRfb, formats: number[], [text]: string[]) =>
        rfb.clipboardMessages.push(`provide ${String(formats)} ${text ?? ''}`),
    }
    viewOnly = false
    resizeSession = false
    constructor() {
      super()
      FakeRfb.all.push(this)
    }
    sendKey(keysym: number, code: string | null, down?: boolean) {
      this.keys.push([keysym, code, down])
    }
    clipboardPasteFrom(text: string) {
      this.pasted.push(text)
      this.clipboardMessages.push('notify')
    }
    getImageData() {
      return { width: 3, height: 2 }
    }
    disconnect() {}
    focus() {}
    tell(type: string, detail: object = {}) {
      this.dispatchEvent(new CustomEvent(type, { detail }))
    }
  }
  return { FakeRfb }
})
vi.mock('@novnc/novnc', () => ({ default: FakeRfb }))

describe('the link to a desktop', () => {
  let link: DesktopLink
  let still: HTMLCanvasElement
  const clipboard = { readText: vi.fn<() => Promise<string>>(), writeText: vi.fn<(text: string) => Promise<void>>() }

  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('navigator', { clipboard, permissions: { query: () => Promise.reject(new Error('unknown')) } })
    vi.spyOn(document, 'hasFocus').mockReturnValue(true)
    HTMLCanvasElement.prototype.getContext = () => null
    clipboard.readText.mockResolvedValue('')
    clipboard.writeText.mockResolvedValue()
    still = document.createElement('canvas')
    link = new DesktopLink(document.createElement('div'), still)
    link.open('ws://localhost/vnc')
  })
  afterEach(() => {
    link.stop()
    FakeRfb.all.length = 0
    vi.clearAllMocks()
    vi.useRealTimers()
  })

  it('keeps the last picture when it is lost, and takes it away when the desktop is back', () => {
    FakeRfb.last.tell('connect')
    expect(link.state.phase).toBe('connected')
    FakeRfb.last.tell('disconnect', { clean: false })
    expect(link.state.phase).toBe('reconnecting')
    expect([still.width, still.height, still.dataset['shown']]).toEqual([3, 2, 'true'])
    vi.advanceTimersByTime(1_000)
    expect(FakeRfb.all).toHaveLength(2)
    FakeRfb.last.tell('connect')
    expect(link.state.phase).toBe('connected')
    expect(still.dataset['shown']).toBe('false')
  })

  it('tries at least once a second for a minute, and at once when the network is back', () => {
    for (let attempt = 1; attempt <= 50; attempt += 1) {
      FakeRfb.last.tell('disconnect')
      vi.advanceTimersByTime(1_000)
      expect(FakeRfb.all).toHaveLength(attempt + 1)
    }
    FakeRfb.last.tell('disconnect')
    dispatchEvent(new Event('online'))
    expect(FakeRfb.all).toHaveLength(52)
  })

  it('gives up a connection that is not made within eight seconds', () => {
    vi.advanceTimersByTime(9_100)
    expect(FakeRfb.all).toHaveLength(2)
    expect(FakeSocket.all).toHaveLength(2)
  })

  it('goes to a new address with the next attempt', () => {
    FakeRfb.last.tell('connect')
    link.open('ws://localhost/other')
    expect(FakeSocket.all).toHaveLength(1)
    FakeRfb.last.tell('disconnect')
    vi.advanceTimersByTime(1_000)
    expect(FakeSocket.last.url.pathname).toBe('/other')
  })

  it('makes no further attempt once stopped', () => {
    link.stop()
    vi.advanceTimersByTime(60_000)
    expect(FakeRfb.all).toHaveLength(1)
  })

  it('brings what is copied there onto this computer’s clipboard, and does not send it back', async () => {
    FakeRfb.last.tell('connect')
    FakeRfb.last.tell('clipboard', { text: 'from there' })
    expect(link.state.received).toBe('from there')
    expect(clipboard.writeText).toHaveBeenCalledWith('from there')
    clipboard.readText.mockResolvedValue('from there')
    link.setAccess('granted')
    await vi.advanceTimersByTimeAsync(0)
    expect(FakeRfb.last.pasted).toEqual([])
  })

  it('offers this computer’s clipboard when the person comes back, only where the browser allows, and once', async () => {
    clipboard.readText.mockResolvedValue('from here')
    FakeRfb.last.tell('connect')
    dispatchEvent(new Event('focus'))
    await vi.advanceTimersByTimeAsync(0)
    expect(clipboard.readText).not.toHaveBeenCalled()
    link.setAccess('granted')
    await vi.advanceTimersByTimeAsync(0)
    dispatchEvent(new Event('focus'))
    await vi.advanceTimersByTimeAsync(0)
    expect(FakeRfb.last.pasted).toEqual(['from here'])
  })

  it('sends a text right after the word of it, where the desktop can take it so', () => {
    FakeRfb.last.tell('connect')
    link.paste('plain')
    expect(FakeRfb.last.clipboardMessages).toEqual(['notify'])
    FakeRfb.last._clipboardServerCapabilitiesActions = { [1 << 28]: true }
    link.paste('ä€@')
    expect(FakeRfb.last.clipboardMessages.slice(1)).toEqual(['notify', 'provide 1 ä€@'])
    link.paste('long'.repeat(100_000))
    expect(FakeRfb.last.clipboardMessages.slice(3)).toEqual(['notify'])
  })

  it('sends nothing while it is only looked at, and takes part over a connection of its own', async () => {
    clipboard.readText.mockResolvedValue('from here')
    FakeRfb.last.tell('connect')
    link.setAccess('granted')
    link.open('ws://localhost/vnc?view=true', true)
    expect(FakeSocket.last.url.search).toBe('?view=true')
    expect([FakeRfb.last.viewOnly, FakeRfb.last.resizeSession]).toEqual([true, false])
    expect(link.state.phase).toBe('connecting')
    expect(still.dataset['shown']).toBe('true')
    FakeRfb.last.tell('connect')
    dispatchEvent(new Event('focus'))
    await vi.advanceTimersByTimeAsync(0)
    expect(FakeRfb.last.pasted).toEqual([])

    link.open('ws://localhost/vnc', false)
    expect(FakeSocket.last.url.search).toBe('')
    expect([FakeRfb.last.viewOnly, FakeRfb.last.resizeSession]).toEqual([false, true])
    FakeRfb.last.tell('connect')
    await vi.advanceTimersByTimeAsync(0)
    expect(FakeRfb.last.pasted).toEqual(['from here'])
  })

  it('presses combinations down in order and lets go in reverse', () => {
    FakeRfb.last.tell('connect')
    link.press([CTRL, ALT])
    expect(FakeRfb.last.keys.map(([, code, down]) => `${code ?? ''} ${String(down)}`)).toEqual([
      'ControlLeft true',
      'AltLeft true',
      'AltLeft false',
      'ControlLeft false',
    ])
  })
})
