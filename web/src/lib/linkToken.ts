const PREFIX = '#link='

let taken: string | undefined

/**
 * The token of a one-time sign-in link, from the fragment, which never reaches a server. It is taken out of the
 * address at once, so that it stays in no history and on no screen. A repeated call gives the same token.
 */
export function takeLinkToken(): string | undefined {
  if (location.hash.startsWith(PREFIX)) {
    taken = decodeURIComponent(location.hash.slice(PREFIX.length))
    history.replaceState(history.state, '', location.pathname + location.search)
  }
  return taken
}
