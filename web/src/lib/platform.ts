export const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent)

/** Whether the page's address is this very machine, where plain http counts as safe. */
export function isLocalhost(hostname: string = location.hostname): boolean {
  return /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
}

/** An app's own origin can keep its cookie in a frame over https or on this machine; elsewhere it must stand alone. */
export function canFrame(page: { protocol: string; hostname: string } = location): boolean {
  return page.protocol === 'https:' || isLocalhost(page.hostname)
}
