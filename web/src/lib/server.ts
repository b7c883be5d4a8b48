/** A pause between two questions, in milliseconds. */
const AGAIN_MS = 1_000
/** Longest wait for an answer. */
const ANSWERS_WITHIN_MS = 5_000

/**
 * Resolves to true once the server says that it is alive (`/health`: the page's own files can be had), or that it can
 * serve requests (`/ready`), after a moment at the earliest; to false once `gone` has fired.
 */
export async function serverSays(path: '/health' | '/ready', gone?: AbortSignal): Promise<boolean> {
  while (!gone?.aborted) {
    await pause()
    const asked = fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(ANSWERS_WITHIN_MS) })
    if (await asked.then(({ ok }) => ok, () => false)) return !gone?.aborted
  }
  return false
}

/** Shorter where the browser says that the network is back. */
function pause(): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer)
      removeEventListener('online', over)
      resolve()
    }
    const timer = setTimeout(over, AGAIN_MS)
    addEventListener('online', over)
  })
}
