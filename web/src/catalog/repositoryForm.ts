import type { NewRepository, Repository, RepositoryAuth, RepositoryChange } from '~/api/types'

export const REFERENCES = ['default', 'branch', 'tag', 'commit'] as const
export type ReferenceKind = (typeof REFERENCES)[number]

/** `keep`: the credentials that the server has, which nobody is shown. */
export const SIGN_INS = ['keep', 'none', 'token', 'basic', 'ssh'] as const
export type SignInKind = (typeof SIGN_INS)[number]

/** Times between two syncs that are offered; `0s` is only when asked to. */
export const INTERVALS = ['15m', '1h', '6h', '24h', '0s'] as const

/** What stands in the form of a repository. */
export interface RepositoryDraft {
  name: string
  url: string
  reference: ReferenceKind
  referenceName: string
  path: string
  signIn: SignInKind
  token: string
  username: string
  password: string
  privateKey: string
  /** Lines as `ssh-keyscan` prints them. */
  hostKey: string
  /** A duration; empty: the server's setting. */
  interval: string
}

export function draftOf(repository: Repository | undefined): RepositoryDraft {
  const { branch, tag, commit } = repository ?? {}
  return {
    name: repository?.name ?? '',
    url: repository?.url ?? '',
    reference: branch ? 'branch' : tag ? 'tag' : commit ? 'commit' : 'default',
    referenceName: branch ?? tag ?? commit ?? '',
    path: repository?.path ?? '',
    signIn: repository ? 'keep' : 'none',
    token: '',
    username: repository?.auth.username ?? '',
    password: '',
    privateKey: '',
    hostKey: repository?.auth.hostKey ?? '',
    interval: repository?.interval ?? '',
  }
}

function authOf({ signIn, token, username, password, privateKey, hostKey }: RepositoryDraft): RepositoryAuth | undefined {
  switch (signIn) {
    case 'keep':
      return undefined
    case 'none':
      return { type: 'none' }
    case 'token':
      return { type: 'token', token }
    case 'basic':
      return { type: 'basic', username, password }
    case 'ssh':
      return { type: 'ssh', privateKey, hostKey }
  }
}

/** What is sent for a new repository. */
export function repositoryOf(draft: RepositoryDraft): NewRepository {
  const { name, url, reference, referenceName, path, interval } = draft
  const auth = authOf(draft)
  return {
    name: name.trim(),
    url: url.trim(),
    path: path.trim(),
    ...(reference === 'default' ? {} : { [reference]: referenceName.trim() }),
    ...(auth ? { auth } : {}),
    ...(interval === '' ? {} : { interval }),
  }
}

/** What is sent for one that is there: all of the form, since what is left out of a merge patch stays as it was. */
export function changeOf(draft: RepositoryDraft): RepositoryChange {
  const wanted: RepositoryChange = { branch: null, tag: null, commit: null, interval: null, ...repositoryOf(draft) }
  return wanted
}

/** Whether all is there that must be. What is wrong with it is the server's to say. */
export function isComplete(draft: RepositoryDraft): boolean {
  const { name, url, reference, referenceName, signIn } = draft
  const named = reference === 'default' || referenceName.trim() !== ''
  const needed = NEEDED[signIn].every((field) => draft[field].trim() !== '')
  return name.trim() !== '' && url.trim() !== '' && named && needed
}

/** What a way to sign in cannot do without. */
const NEEDED: Readonly<Record<SignInKind, readonly ('token' | 'username' | 'password' | 'privateKey' | 'hostKey')[]>> = {
  keep: [],
  none: [],
  token: ['token'],
  basic: ['username', 'password'],
  ssh: ['privateKey', 'hostKey'],
}
