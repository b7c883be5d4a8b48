// Somebody whom the Keycloak of the stories knows, on her way through it.

import { type Page, expect } from '@playwright/test'
import type { Somebody } from '../support/keycloak.ts'

export const ALICE: Somebody = {
  username: 'alice',
  password: 'a word of alice',
  firstName: 'Alice',
  lastName: 'Smith',
  email: 'alice@example.com',
  groups: ['engineering', 'operators'],
}

/** Goes to Keycloak from our sign-in page, and signs in there. */
export async function atKeycloak(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Sign in with Keycloak' }).click()
  await page.locator('#username').fill(ALICE.username)
  await page.locator('#password').fill(ALICE.password)
  await page.locator('#kc-login').click()
}

/** Signs out at Keycloak itself, whose realm is `issuer`; sooner or later the server at `origin` knows. */
export async function signOutThere(page: Page, issuer: string, origin: string): Promise<void> {
  await page.goto(`${issuer}/protocol/openid-connect/logout`)
  await page.getByRole('button', { name: /log ?out/i }).click()
  await expect(async () => {
    expect((await page.request.get(`${origin}/api/v1/users/me`)).status()).toBe(401)
  }).toPass({ timeout: 10_000 })
}

/** Signs out on our page, and is back at the way in. */
export async function signOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Account' }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await expect(page.getByRole('link', { name: 'Sign in with Keycloak' })).toBeVisible()
}
