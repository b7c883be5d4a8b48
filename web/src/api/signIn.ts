import type { QueryClient } from '@tanstack/react-query'
import { answer, api } from './client'
import { keys } from './keys'
import { strings } from '~/strings'
import { Problem } from './problem'
import type { Me, SignInAnswer } from './types'

/** Begins afresh as `me`: nothing that another person saw before in this tab stays in memory. */
function enter(client: QueryClient, me: Me): void {
  client.removeQueries({ type: 'inactive' })
  client.setQueryData(keys.me, me)
}

/** A browser that asks for no token is told who it is and gets a cookie. */
function whoIn(signedIn: SignInAnswer): Me {
  if ('user' in signedIn) return signedIn.user
  throw new Problem({ title: strings.problem.unknown })
}

export async function signIn(client: QueryClient, username: string, password: string): Promise<void> {
  enter(client, whoIn(await answer(api.POST('/api/v1/auth/login', { body: { username, password } }))))
}

/** Makes an account, where people may make themselves one, and signs in to it. */
export async function register(client: QueryClient, username: string, password: string, displayName: string): Promise<void> {
  const body = { username, password, ...(displayName === '' ? {} : { displayName }) }
  enter(client, whoIn(await answer(api.POST('/api/v1/auth/register', { body }))))
}

/** Redeems a one-time sign-in link. */
export async function redeemLink(client: QueryClient, token: string): Promise<Me> {
  const me = whoIn(await answer(api.POST('/api/v1/auth/link', { body: { token } })))
  enter(client, me)
  return me
}

/** `current` may be left out shortly after a link was redeemed. */
export async function setPassword(next: string, current?: string): Promise<void> {
  await answer(api.POST('/api/v1/auth/password', { body: { new: next, ...(current ? { current } : {}) } }))
}

/** Ends the sign-in and loads a page anew, so that nothing of this person stays in memory: the identity provider's, where
    that has to sign them out too. */
export async function signOut(): Promise<void> {
  const elsewhere = (await answer(api.POST('/api/v1/auth/logout'))) as { location: string } | undefined
  location.assign(elsewhere?.location ?? '/sign-in')
}
