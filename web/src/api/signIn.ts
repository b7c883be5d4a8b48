import type { QueryClient } from '@tanstack/react-query'
import { answer, api } from './client'
import { keys } from './keys'
import type { Me } from './types'

/** Begins afresh as `me`: nothing that another person saw before in this tab stays in memory. */
function enter(client: QueryClient, me: Me): void {
  client.removeQueries({ type: 'inactive' })
  client.setQueryData(keys.me, me)
}

export async function signIn(client: QueryClient, username: string, password: string): Promise<void> {
  const { user } = await answer(api.POST('/api/v1/auth/login', { body: { username, password } }))
  enter(client, user)
}

/** Redeems a one-time sign-in link. */
export async function redeemLink(client: QueryClient, token: string): Promise<Me> {
  const { user } = await answer(api.POST('/api/v1/auth/link', { body: { token } }))
  enter(client, user)
  return user
}

/** `current` may be left out shortly after a link was redeemed. */
export async function setPassword(next: string, current?: string): Promise<void> {
  await answer(api.POST('/api/v1/auth/password', { body: { new: next, ...(current ? { current } : {}) } }))
}

/** Ends the sign-in and loads the page anew, so that nothing of this person stays in memory. */
export async function signOut(): Promise<void> {
  await answer(api.POST('/api/v1/auth/logout'))
  location.assign('/sign-in')
}
