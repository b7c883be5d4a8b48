import { useState } from 'react'

/** Counts the changes of `value` after the first. As a `key` it starts a tint's animation anew at each change. */
export function useTint(value: unknown): number {
  const [seen, setSeen] = useState({ value, changes: 0 })
  if (seen.value === value) return seen.changes
  const next = { value, changes: seen.changes + 1 }
  setSeen(next)
  return next.changes
}
