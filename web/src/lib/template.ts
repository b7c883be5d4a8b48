import type { Condition, Resources, Template } from '~/api/types'
import { conditionOf } from './session'
import { parseQuantity, scaleCpu, scaleMemory } from './quantity'

/** Why a template does not run here, or nothing when it does. */
export function missingHere(template: Template): Condition | undefined {
  const condition = conditionOf(template.status?.conditions, 'RunsHere')
  return condition?.status === 'False' ? condition : undefined
}

/** The catalog's reason why a template cannot be used at all, or nothing. */
export function invalidBecause(template: Template): string | undefined {
  return template.status?.valid === false ? (template.status.message ?? '') : undefined
}

export function canLaunch(template: Template): boolean {
  return invalidBecause(template) === undefined && missingHere(template) === undefined
}

/** A sentence that ends in a command after its colon: `Install it: apt-get install x` → both parts, nothing lost. */
export function splitCommand(text: string): { text: string; command?: string } {
  const match = /^(.*?: )((?:sudo |apt-get |apt |pip |pipx |npm |curl |streamspace |make ).+)$/s.exec(text)
  return match?.[1] && match[2] ? { text: match[1], command: match[2] } : { text }
}

/** `a is missing: apt-get install a; b is missing: …` → each missing program and what brings it. */
export function missingPrograms(message: string): { text: string; command?: string }[] {
  return message.split('; ').map((part) => {
    const match = /^(.+ is missing): (.+)$/s.exec(part)
    return match?.[1] && match[2] ? { text: `${match[1]}.`, command: match[2] } : { text: part }
  })
}

export interface GalleryFilter {
  search: string
  category?: string
  tags: readonly string[]
  runsHere: boolean
}

/** Words of the search that a template must all hold, in its name, description, category or tags. */
function matchesText(template: Template, search: string): boolean {
  const { displayName, description = '', category = '', tags = [] } = template.spec
  const text = [template.metadata.name, displayName, description, category, ...tags].join(' ').toLocaleLowerCase()
  return search
    .toLocaleLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}

type Facet = keyof GalleryFilter

/** Whether `template` passes all filters but `except`, so that a facet can count what choosing it would give. */
export function passes(template: Template, filter: GalleryFilter, except?: Facet): boolean {
  const { spec } = template
  if (except !== 'search' && !matchesText(template, filter.search)) return false
  if (except !== 'category' && filter.category !== undefined && spec.category !== filter.category) return false
  if (except !== 'tags' && !filter.tags.every((tag) => spec.tags?.includes(tag))) return false
  return except === 'runsHere' || !filter.runsHere || canLaunch(template)
}

/** Best first: a name that starts with the search, then one that holds it, then the rest; alphabetical within. */
export function rank(templates: readonly Template[], search: string): Template[] {
  const needle = search.trim().toLocaleLowerCase()
  const score = ({ spec, metadata }: Template) => {
    const name = spec.displayName.toLocaleLowerCase()
    if (needle === '') return 0
    return name.startsWith(needle) || metadata.name.startsWith(needle) ? 0 : name.includes(needle) ? 1 : 2
  }
  return [...templates].sort(
    (a, b) =>
      score(a) - score(b) ||
      Number(canLaunch(b)) - Number(canLaunch(a)) ||
      a.spec.displayName.localeCompare(b.spec.displayName),
  )
}

export const SIZES = ['small', 'medium', 'large'] as const
export type Size = (typeof SIZES)[number]
const FACTORS: Record<Size, number> = { small: 0.5, medium: 1, large: 2 }

/** What a size means for a template: medium is what the template asks for, small half of it, large twice. */
export function resourcesOf(template: Template, size: Size): { cpu: string; memory: string } {
  const { cpu, memory } = template.spec.defaultResources ?? {}
  return { cpu: scaleCpu(cpu ?? '1', FACTORS[size]), memory: scaleMemory(memory ?? '1Gi', FACTORS[size]) }
}

/** The size that `resources` are of, or nothing for amounts that are nobody's. */
export function sizeOf(template: Template, resources: Resources | undefined): Size | undefined {
  return SIZES.find((size) => {
    const { cpu, memory } = resourcesOf(template, size)
    return (
      parseQuantity(cpu) === parseQuantity(resources?.cpu) && parseQuantity(memory) === parseQuantity(resources?.memory)
    )
  })
}
