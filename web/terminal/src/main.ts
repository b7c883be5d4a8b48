import '@xterm/xterm/css/xterm.css'
import './style.css'
import { ClipboardAddon } from '@xterm/addon-clipboard'
import { FitAddon } from '@xterm/addon-fit'
import { WebLinksAddon } from '@xterm/addon-web-links'
import { Terminal } from '@xterm/xterm'
import { Link, type Message, type Size } from './link'
import { answerOnlyWhenAsked } from './questions'

const place = element('terminal')
const notice = element('notice')

const terminal = new Terminal({
  cursorBlink: true,
  fontFamily: 'ui-monospace, "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace',
  fontSize: 14,
  scrollback: 10_000,
  theme: { background: '#14181d', foreground: '#e8eaed', cursor: '#7ee0a4', selectionBackground: '#3d5a80' },
})
const fit = new FitAddon()
terminal.loadAddon(fit)
terminal.loadAddon(new ClipboardAddon())
terminal.loadAddon(new WebLinksAddon())
terminal.open(place)

/** Bytes still to come that were written before this window was there. */
let replaying = 0
let leads = false
let ended = false
/** The size this window has room for, as the shell was told last. */
let told = room()

answerOnlyWhenAsked(terminal, () => replaying > 0 || !leads)

const link = new Link({
  output: (bytes) => {
    terminal.write(bytes, () => {
      replaying = Math.max(0, replaying - bytes.length)
    })
  },
  message: heard,
  connected: (connected) => show(connected ? '' : 'Connection lost, retrying.'),
  size: () => (told = room()),
})

terminal.onData((text) => {
  if (!ended) link.type(text)
  else if (text === '\r') link.again()
})
terminal.onBinary((text) => link.typeBytes(text))
terminal.onTitleChange((title) => {
  document.title = title || 'Terminal'
})
terminal.attachCustomKeyEventHandler((event) => {
  if (isWayOut(event)) {
    leave()
    return false
  }
  // With something selected, Ctrl+C copies it; without, it interrupts as ever.
  const copies = event.type === 'keydown' && event.ctrlKey && event.code === 'KeyC' && terminal.hasSelection()
  if (!copies) return true
  event.preventDefault()
  void copy(terminal.getSelection())
  terminal.clearSelection()
  return false
})
new ResizeObserver(() => {
  const size = room()
  if (size.columns === told.columns && size.rows === told.rows) return
  told = size
  link.resize(size)
}).observe(place)
terminal.focus()

/** Every key is the shell's, Tab too; this is how one gets out without a mouse. AltGr is for typing. */
function isWayOut(event: KeyboardEvent): boolean {
  const framed = window.parent !== window
  return framed && event.ctrlKey && event.altKey && event.shiftKey && !event.getModifierState('AltGraph')
}

/** Asks the page around to take the focus. The message says nothing, so whoever frames this may hear it. */
function leave() {
  window.parent.postMessage({ type: 'streamspace.leave' }, '*')
}

function heard(message: Message) {
  switch (message.type) {
    case 'replay':
      terminal.reset()
      replaying = message.bytes
      setEnded(message.ended)
      break
    case 'layout':
      leads = message.leads
      terminal.resize(message.columns, message.rows)
      break
    case 'ended':
      setEnded(message.status)
      break
    case 'started':
      setEnded(null)
      break
    case 'beat':
      break
  }
}

function setEnded(status: number | null) {
  ended = status !== null
  show(ended ? `The shell ended${status ? ` with status ${status}` : ''}. Press Enter for a new one.` : '')
}

function show(text: string) {
  notice.textContent = text
  notice.hidden = text === ''
}

/** Where the page that frames this one does not lend its clipboard, the older way works for a key press. */
async function copy(text: string) {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    document.body.append(area)
    area.select()
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- there is no other way without that permission
    document.execCommand('copy')
    area.remove()
    terminal.focus()
  }
}

function room(): Size {
  const { cols, rows } = fit.proposeDimensions() ?? { cols: 80, rows: 24 }
  return { columns: cols || 80, rows: rows || 24 }
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (!found) throw new Error(`#${id} is missing`)
  return found
}
