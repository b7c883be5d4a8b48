import { useSyncExternalStore } from 'react'
import { serverNow } from '~/live/serverTime'

type Step = 1_000 | 10_000

/** One timer for everything on the page that shows the time: a table has a hundred such places. */
class Ticker {
  readonly #step: Step
  readonly #listeners = new Set<() => void>()
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(step: Step) {
    this.#step = step
  }

  readonly listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    this.#timer ??= setInterval(this.#tick, this.#step)
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  readonly now = (): number => Math.floor(serverNow() / this.#step) * this.#step

  readonly #tick = (): void => {
    for (const listener of [...this.#listeners]) listener()
  }
}

const TICKERS: Readonly<Record<Step, Ticker>> = { 1_000: new Ticker(1_000), 10_000: new Ticker(10_000) }

/** The time, in milliseconds since the epoch, rounded down to `step` so that a component renders once a step. */
export function useNow(step: Step = 1_000): number {
  const { listen, now } = TICKERS[step]
  return useSyncExternalStore(listen, now)
}
