import type { SsoTest } from '~/api/types'

const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]*$/
/** XML, or what may be XML in base64. */
const ASSERTION = /^(<[^]*>|[\w+/\s]{40,}={0,2})$/

/** The object in `text`; undefined for anything else. */
function objectIn(text: string): Record<string, never> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, never>) : undefined
  } catch {
    return undefined
  }
}

/** What to ask about `text`: claims of `issuer`, a token or an assertion; undefined for anything else. */
export function shown(text: string, issuer: string | undefined): SsoTest | undefined {
  const claims = objectIn(text)
  if (claims) return { claims, ...(issuer === undefined ? {} : { issuer }) }
  const pasted = text.trim()
  if (TOKEN.test(pasted)) return { token: pasted }
  return ASSERTION.test(pasted) ? { assertion: pasted } : undefined
}
