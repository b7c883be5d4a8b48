/** Opens the palette from anywhere; the palette itself is loaded when first asked for. */
const target = new EventTarget()
const OPEN = 'open'

export function openPalette(): void {
  target.dispatchEvent(new Event(OPEN))
}

export function onPalette(listener: () => void): () => void {
  target.addEventListener(OPEN, listener)
  return () => target.removeEventListener(OPEN, listener)
}
