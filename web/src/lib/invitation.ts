const PREFIX = '#invitation='
const KEY = 'streamspace.invitation'

/**
 * Keeps the secret of an invitation that the page was opened through, and takes it out of the address at once: it stays in
 * no history and on no screen, and no way through the sign-in page carries it along. This tab keeps it until it is
 * accepted, since signing in may lead to another site and back.
 */
export function keepInvitation(): string | undefined {
  if (location.pathname === '/invitation' && location.hash.startsWith(PREFIX)) {
    sessionStorage.setItem(KEY, decodeURIComponent(location.hash.slice(PREFIX.length)))
    history.replaceState(history.state, '', location.pathname + location.search)
  }
  return sessionStorage.getItem(KEY) ?? undefined
}

export function forgetInvitation(): void {
  sessionStorage.removeItem(KEY)
}
