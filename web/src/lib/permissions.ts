import type { Me, Role } from '~/api/types'

/** The server's words for what a call needs (`me.permissions` holds those of the person). */
const has = (word: string) => (me: Me) => me.permissions.includes(word)

export const mayLaunch = has('sessions:own')
export const seesEveryone = has('sessions:read-all')
export const mayReadPeople = has('users:read')
export const mayManagePeople = has('users:write')
export const mayReadAudit = has('audit:read')

/** The roles that can be given; what each may do is the server's table. */
export const ROLES: readonly Role[] = ['user', 'operator', 'auditor', 'admin']
