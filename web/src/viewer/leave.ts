/** The bar above a session's window: where the focus goes when it leaves the window. */
export const BAR_ID = 'session-bar'

/** What a session's own page says when the person wants to leave it; the terminal does. */
const LEAVE = 'streamspace.leave'

/**
 * Whether `event` is the way out of a window that takes every key for itself: Ctrl, Alt and Shift together. AltGr, which
 * some systems report as Ctrl and Alt, is for typing.
 */
export function isWayOut(event: KeyboardEvent): boolean {
  return event.ctrlKey && event.altKey && event.shiftKey && !event.getModifierState('AltGraph')
}

/** Puts the focus on the bar above the window, from where Tab leads on. */
export function leaveWindow(): void {
  document.getElementById(BAR_ID)?.focus()
}

/** Puts the focus back into the window below the bar, whatever is shown there. */
export function enterWindow(): void {
  document.querySelector<HTMLElement>('[data-window] canvas[tabindex], iframe[data-window]')?.focus()
}

/** Calls {@link leaveWindow} when what `frame` shows asks for it while it has the focus, until the result is called. */
export function listenForLeaving(frame: HTMLIFrameElement): () => void {
  const take = ({ source, data }: MessageEvent<unknown>) => {
    const asks = typeof data === 'object' && data !== null && 'type' in data && data.type === LEAVE
    if (asks && source === frame.contentWindow && document.activeElement === frame) leaveWindow()
  }
  addEventListener('message', take)
  return () => removeEventListener('message', take)
}
