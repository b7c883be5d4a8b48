import { useSyncExternalStore } from 'react'
import type { Activity } from '~/api/types'

/** Columns, as charts want them: seconds since the epoch, cores, bytes. */
export interface UsageHistory {
  times: readonly number[]
  cores: readonly number[]
  memory: readonly number[]
}

const EMPTY: UsageHistory = { times: [], cores: [], memory: [] }
/** An hour at a figure every ten seconds. */
const MOST = 360

const histories = new Map<string, UsageHistory>()
const listeners = new Set<() => void>()

/** Remembers the figures of a message, for as long as the page is open. */
export function noteUsage({ session, usage }: Activity, at: number): void {
  if (!usage) return
  const { times, cores, memory } = histories.get(session) ?? EMPTY
  const time = Math.round(at / 1000)
  if (time <= (times.at(-1) ?? 0)) return
  histories.set(session, {
    times: [...times, time].slice(-MOST),
    cores: [...cores, usage.cpuMillicores / 1000].slice(-MOST),
    memory: [...memory, usage.memoryBytes].slice(-MOST),
  })
  for (const listener of listeners) listener()
}

function listen(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function useUsageHistory(session: string): UsageHistory {
  return useSyncExternalStore(listen, () => histories.get(session) ?? EMPTY)
}
