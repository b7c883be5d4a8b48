import type { Job, Me, Role, Session, ShareLevel } from '~/api/types'

/** The server's words for what a call needs (`me.permissions` holds those of the person). */
const has = (word: string) => (me: Me) => me.permissions.includes(word)

export const mayLaunch = has('sessions:own')
export const seesEveryone = has('sessions:read-all')
export const mayReadPeople = has('users:read')
export const mayManagePeople = has('users:write')
export const seesGroups = has('groups:read')
export const mayWriteGroups = has('groups:write')
export const seesProjects = has('projects:read')
export const mayWriteProjects = has('projects:write')
export const maySetQuotas = has('quotas:write')
export const mayManageSso = has('sso:manage')
export const mayChangeSettings = has('config:write')
export const mayReadAudit = has('audit:read')

export const seesRepositories = has('catalog:repositories')
export const maySync = has('catalog:sync')
export const mayWriteCatalog = has('catalog:write')
export const mayGrant = has('catalog:grant')
export const mayInstall = has('templates:write')
export const mayReadNodes = has('nodes:read')
export const mayFollowNodes = has('nodes:follow')
export const mayChangeNodes = has('nodes:write')
export const seesEveryonesJobs = has('jobs:read-all')
/** Whether the person may have a job run that has ended. */
export const mayRunJobs = has('jobs:write-all')
const cancelsOwnJobs = has('jobs:own')

export const mayCancelJob = (me: Me, job: Job) =>
  mayRunJobs(me) || (cancelsOwnJobs(me) && job.createdBy === me.name)

const isOwn = (me: Me, session: Session) => session.spec.user === me.name && mayLaunch(me)
const changesEveryones = has('sessions:write-all')
const actsForOthers = has('sessions:act-as')

/** How far somebody else's session is open to the person. */
export const sharedLevel = (me: Me, session: Session): ShareLevel | undefined =>
  session.spec.user === me.name ? undefined : me.shared?.[session.metadata.name]

const isShared = (me: Me, session: Session, levels: readonly ShareLevel[]) => {
  const level = sharedLevel(me, session)
  return level !== undefined && levels.includes(level) && mayLaunch(me)
}

/** Whether the person may stop, wake and rename it. */
export const mayChange = (me: Me, session: Session) =>
  isOwn(me, session) || changesEveryones(me) || isShared(me, session, ['manage'])
export const mayDelete = (me: Me, session: Session) => isOwn(me, session) || changesEveryones(me)
/** Whether the person may work in it. */
export const mayWork = (me: Me, session: Session) =>
  isOwn(me, session) || actsForOthers(me) || isShared(me, session, ['use', 'manage'])
/** Whether the person may wake it: who works in it does so by entering. */
export const mayWake = (me: Me, session: Session) => mayChange(me, session) || mayWork(me, session)
/** Whether the person may see its window. */
export const mayEnter = (me: Me, session: Session) => mayWork(me, session) || isShared(me, session, ['view'])
/** Whether the person may open it to others, and whether as far as it goes. */
export const mayShareAll = (me: Me, session: Session) => isOwn(me, session) || actsForOthers(me)
export const mayShare = (me: Me, session: Session) => mayShareAll(me, session) || isShared(me, session, ['manage'])

/** The roles that can be given; what each may do is the server's table. */
export const ROLES: readonly Role[] = ['user', 'operator', 'auditor', 'admin']
