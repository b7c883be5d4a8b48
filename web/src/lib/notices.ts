import { notifications } from '@mantine/notifications'
import { useSyncExternalStore } from 'react'
import { Problem } from '~/api/problem'
import type { WarningMessage } from '~/live/messages'
import { strings } from '~/strings'

export interface Notice {
  id: string
  title: string
  message: string
  /** Milliseconds since the epoch. */
  at: number
  session?: string
  reason?: WarningMessage['reason']
  /** When the session stops, in milliseconds since the epoch. */
  stopsAt?: number
  read: boolean
}

const MOST = 50

let notices: readonly Notice[] = []
const listeners = new Set<() => void>()

function change(next: readonly Notice[]): void {
  notices = next
  for (const listener of listeners) listener()
}

export function useNotices(): readonly Notice[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => notices,
  )
}

export function readNotices(): void {
  if (notices.some((notice) => !notice.read)) change(notices.map((notice) => ({ ...notice, read: true })))
}

export function clearNotices(): void {
  change([])
}

/** A warning about a session: on the page, in the list behind the bell and, where allowed, from the browser. */
export function announce(warning: WarningMessage): void {
  const id = `${warning.session} ${warning.reason} ${warning.stopsAt ?? warning.time ?? ''}`
  if (notices.some((notice) => notice.id === id)) return
  const title = strings.notices.reasons[warning.reason]
  const at = Date.parse(warning.time ?? '') || Date.now()
  const { message, session, reason } = warning
  const stopsAt = Date.parse(warning.stopsAt ?? '') || at
  const notice = { id, title, message, at, session, reason, stopsAt, read: false }
  change([notice, ...notices].slice(0, MOST))
  notifications.show({ id, title, message, color: 'yellow', autoClose: 15_000 })
  notifyOutside(notice)
}

/** Browsers show it outside the page, which matters when the page is not being looked at. */
function notifyOutside({ id, title, message, session }: Notice & { session: string }): void {
  if (!('Notification' in globalThis) || Notification.permission !== 'granted') return
  if (document.visibilityState === 'visible' && document.hasFocus()) return
  const shown = new Notification(title, { body: message, tag: id })
  shown.onclick = () => {
    window.focus()
    location.assign(`/sessions/${encodeURIComponent(session)}`)
  }
}

/** Says that something was done. */
export function say(message: string): void {
  notifications.show({ message, color: 'green', autoClose: 4_000 })
}

/** Says that something asked for did not happen, and why. */
export function complain(failure: unknown): void {
  if (!(failure instanceof Problem)) throw failure
  notifications.show({ title: failure.title, message: failure.message, color: 'red', autoClose: 10_000 })
}
