import type { ObjectMeta } from '~/api/types'

interface Resource {
  metadata: ObjectMeta
}

/** Whether `next` is at least as new as `known`. Versions are decimal numbers that may exceed 2^53. */
export function supersedes(next: Resource, known: Resource): boolean {
  const [a = '', b = ''] = [next.metadata.resourceVersion, known.metadata.resourceVersion]
  if (!/^\d+$/.test(a) || !/^\d+$/.test(b)) return true
  return BigInt(a) >= BigInt(b)
}

/** `items` with `next` in place of its older self, or in front when it is new. An older `next` changes nothing. */
export function upsert<Item extends Resource>(items: readonly Item[], next: Item): readonly Item[] {
  const at = items.findIndex((item) => item.metadata.name === next.metadata.name)
  const known = items[at]
  if (!known) return [next, ...items]
  return supersedes(next, known) ? items.with(at, next) : items
}

export function without<Item extends Resource>(items: readonly Item[], name: string): readonly Item[] {
  return items.some((item) => item.metadata.name === name) ? items.filter((item) => item.metadata.name !== name) : items
}
