import type { TemplateSpec } from '~/api/types'
import { isDesktopSpec } from '~/lib/session'

/** What of a spec that was read from a file a person wants to know; a version may be older than what is required now. */
export function looksOf(spec: Record<string, unknown>) {
  const { baseImage, defaultResources, capabilities = [], security = 'restricted', vnc } = spec as Partial<TemplateSpec>
  const kind: 'desktop' | 'web' = isDesktopSpec({ vnc }) ? 'desktop' : 'web'
  return { image: baseImage, kind, cpu: defaultResources?.cpu, memory: defaultResources?.memory, capabilities, security }
}
