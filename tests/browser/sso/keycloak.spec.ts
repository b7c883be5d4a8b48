// Signing in through a real Keycloak: there and back, what its groups give, and what is taken back.

import { type Page, expect, test } from '@playwright/test'
import { Api } from '../support/api.ts'
import { violations } from '../support/axe.ts'
import { CLIENT, Keycloak } from '../support/keycloak.ts'
import { freePort, Server } from '../support/server.ts'
import { newLink, signIn } from '../support/stories.ts'
import { ALICE, atKeycloak, signOut, signOutThere } from './alice.ts'

test.setTimeout(420_000)

test('people of a Keycloak come in, with what their groups give, until it is taken back', async ({ browser, page }) => {
  const port = await freePort()
  const keycloak = await Keycloak.start(`http://localhost:${port}`)
  const server = await Server.start({
    port,
    settings: {
      OIDC_ISSUER_URL: keycloak.issuer,
      OIDC_CLIENT_ID: CLIENT.id,
      OIDC_CLIENT_SECRET: CLIENT.secret,
      OIDC_LABEL: 'Keycloak',
    },
  })
  try {
    await keycloak.add(ALICE)
    await signIn(page, server.link ?? '')
    const admin = await Api.byLink(await newLink(page))
    await admin.post('/api/v1/groups', { name: 'engineering' })

    await test.step('an administrator makes rules, and tries them', async () => {
      await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Single sign-on' }).click()
      await expect(page.getByText(keycloak.issuer)).toBeVisible()
      expect(await violations(page)).toEqual([])
      await addRule(page, 'groups=engineering', { team: 'engineering' })
      await addRule(page, 'groups=operators', { role: 'Operator' })
      await page.getByLabel('Claims as JSON').fill('{"sub": "x", "preferred_username": "bob", "groups": ["operators"]}')
      await page.getByRole('button', { name: 'Try', exact: true }).click()
      await expect(page.getByText('An account bob would be made.')).toBeVisible()
      await expect(page.getByText(/Roles through this provider: .*Operator \(new\)/)).toBeVisible()
      expect(await violations(page)).toEqual([])
    })

    const context = await browser.newContext()
    const theirs = await context.newPage()

    await test.step('a person comes to the page that they wanted, through the provider', async () => {
      await theirs.goto(`${server.origin}/templates?search=term`)
      await expect(theirs.getByRole('link', { name: 'Sign in with Keycloak' })).toBeVisible()
      await expect(theirs.getByLabel('User name')).toBeVisible()
      expect(await violations(theirs)).toEqual([])
      await atKeycloak(theirs)
      await expect(theirs).toHaveURL(`${server.origin}/templates?search=term`)
      // What bound the sign-in to this browser is gone; what is left no script reads.
      const cookies = await context.cookies(server.origin)
      expect(cookies.map(({ name, httpOnly }) => ({ name, httpOnly }))).toEqual([{ name: 'streamspace_session', httpOnly: true }])
    })

    await test.step('their groups give a group and a role', async () => {
      const alice = await admin.get<{ displayName: string; email: string; mappedRoles: string[] }>('/api/v1/users/alice')
      expect(alice).toMatchObject({ displayName: 'Alice Smith', email: ALICE.email, mappedRoles: ['user', 'operator'] })
      expect(await admin.get('/api/v1/users/alice/groups')).toMatchObject({ items: ['engineering'] })
      await expect(theirs.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Jobs' })).toBeVisible()
    })

    await test.step('what the provider no longer says is taken back at the next sign-in', async () => {
      await keycloak.removeFrom('operators', 'alice')
      await signOut(theirs)
      await expect(theirs).toHaveURL(`${server.origin}/sign-in`)
      // Signed out there as well: it asks for the password again.
      await atKeycloak(theirs)
      await expect(theirs.getByRole('heading', { name: 'Home', exact: true })).toBeVisible()
      await expect(theirs.getByRole('link', { name: 'Jobs' })).toHaveCount(0)
      expect(await admin.get('/api/v1/users/alice')).toMatchObject({ mappedRoles: ['user'] })
    })

    await test.step('a key that the provider rolled is believed', async () => {
      await keycloak.rollKey()
      await signOut(theirs)
      await atKeycloak(theirs)
      await expect(theirs.getByRole('heading', { name: 'Home', exact: true })).toBeVisible()
    })

    await test.step('an answer that was used already says so in words, and leads on', async () => {
      await signOut(theirs)
      await theirs.goto(`${server.origin}/api/v1/auth/oidc/callback?state=${'A'.repeat(43)}&code=x`)
      await expect(theirs.getByRole('alert')).toContainText('This sign-in is over')
      expect(await violations(theirs)).toEqual([])
      await atKeycloak(theirs)
      await expect(theirs.getByRole('heading', { name: 'Home', exact: true })).toBeVisible()
    })

    await test.step('who is signed out there is signed out here', async () => {
      await signOutThere(theirs, keycloak.issuer, server.origin)
    })

    await test.step('a disabled account stays out, and the page says why', async () => {
      await admin.patch('/api/v1/users/alice', { disabled: true })
      await theirs.goto(server.origin)
      await atKeycloak(theirs)
      await expect(theirs.getByRole('alert')).toContainText('Your account is disabled')
    })
    await context.close()
    await admin.close()
  } finally {
    await server.remove()
    await keycloak.stop()
  }
})

async function addRule(page: Page, principal: string, gives: { role?: string; team?: string }): Promise<void> {
  await page.getByRole('button', { name: 'Add a rule' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Claim and value').fill(principal)
  if (gives.role !== undefined) {
    await dialog.getByRole('combobox', { name: 'Role' }).click()
    await page.getByRole('option', { name: gives.role }).click()
  }
  if (gives.team !== undefined) await dialog.getByLabel('Group').fill(gives.team)
  await dialog.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('table', { name: 'Rules' }).getByText(principal)).toBeVisible()
}
