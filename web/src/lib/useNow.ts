import { useCallback, useSyncExternalStore } from 'react'
import { serverNow } from '~/live/serverTime'

/** The time, in milliseconds since the epoch, rounded down to `step` so that a component renders once a step. */
export function useNow(step: 1_000 | 10_000 = 1_000): number {
  const subscribe = useCallback(
    (onChange: () => void) => {
      const timer = setInterval(onChange, step)
      return () => clearInterval(timer)
    },
    [step],
  )
  return useSyncExternalStore(subscribe, () => Math.floor(serverNow() / step) * step)
}
