import { useSyncExternalStore } from 'react'

interface KeyboardLock {
  lock?: () => Promise<void>
}

function listen(listener: () => void): () => void {
  document.addEventListener('fullscreenchange', listener)
  return () => document.removeEventListener('fullscreenchange', listener)
}

async function toggle(): Promise<void> {
  if (document.fullscreenElement) {
    await document.exitFullscreen()
    return
  }
  await document.documentElement.requestFullscreen()
  // Where the browser can, Esc and Alt+Tab go to the session too; holding Esc leaves full screen.
  await (navigator as { keyboard?: KeyboardLock }).keyboard?.lock?.()
}

/** Whether the page fills the screen, and the way in and out. The whole page goes, so that its menus stay usable. */
export function useFullScreen(): { full: boolean; possible: boolean; toggle: () => void } {
  const full = useSyncExternalStore(listen, () => document.fullscreenElement !== null)
  // A browser that refuses leaves everything as it was.
  return { full, possible: document.fullscreenEnabled, toggle: () => void toggle().catch(() => undefined) }
}
