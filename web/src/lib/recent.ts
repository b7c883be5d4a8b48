import { useLocalStorage } from '@mantine/hooks'
import { useCallback, useMemo } from 'react'
import type { Session } from '~/api/types'
import { parseTime } from './time'

/** When each template was launched last, in milliseconds since the epoch, by its name. */
type Launches = Readonly<Record<string, number>>

/** More than this are not worth remembering: they no longer say what one usually does. */
const MOST = 8
const NOTHING: Launches = {}

/**
 * The names of the templates that a person used, latest first: those of their sessions, and what this browser remembers
 * of sessions that are gone.
 */
export function useRecentTemplates(user: string, sessions: readonly Session[]): readonly string[] {
  const [remembered] = useMemory(user)
  return useMemo(() => {
    const launches = new Map(Object.entries(remembered))
    for (const { spec, metadata } of sessions) {
      const at = parseTime(metadata.creationTimestamp) ?? 0
      launches.set(spec.template, Math.max(at, launches.get(spec.template) ?? 0))
    }
    return latest(launches).map(([template]) => template)
  }, [remembered, sessions])
}

/** Remembers that `user` launches a template. */
export function useRememberTemplate(user: string): (template: string) => void {
  const [, setRemembered] = useMemory(user)
  return useCallback(
    (template) => setRemembered((known) => Object.fromEntries(latest(Object.entries({ ...known, [template]: Date.now() })))),
    [setRemembered],
  )
}

function useMemory(user: string) {
  return useLocalStorage<Launches>({
    key: `streamspace-launches-${user}`,
    defaultValue: NOTHING,
    getInitialValueInEffect: false,
    deserialize,
  })
}

/** Anything may stand in the browser's storage. */
function deserialize(text: string | undefined): Launches {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    if (typeof value !== 'object' || value === null) return NOTHING
    return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, number] => Number.isFinite(entry[1])))
  } catch {
    return NOTHING
  }
}

function latest(launches: Iterable<[template: string, at: number]>): [template: string, at: number][] {
  return [...launches].sort(([, a], [, b]) => b - a).slice(0, MOST)
}
