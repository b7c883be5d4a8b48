// Signing in through a real Keycloak with SAML: there and back, encrypted, and out again from both sides.

import { expect, test } from '@playwright/test'
import { Api } from '../support/api.ts'
import { Keycloak } from '../support/keycloak.ts'
import { freePort, Server } from '../support/server.ts'
import { newLink, signIn } from '../support/stories.ts'
import { ALICE, atKeycloak, signOut, signOutThere } from './alice.ts'

test.setTimeout(420_000)

test('people of a Keycloak come in with SAML and go out from either side', async ({ browser, page }) => {
  const port = await freePort()
  const keycloak = await Keycloak.start(`http://localhost:${port}`)
  const server = await Server.start({
    port,
    settings: { SAML_IDP_METADATA_URL: keycloak.samlMetadata, SAML_LABEL: 'Keycloak', SAML_PRESET: 'keycloak' },
  })
  try {
    await keycloak.addSamlClient(server.origin)
    await keycloak.add(ALICE)
    await signIn(page, server.link ?? '')
    const admin = await Api.byLink(await newLink(page))
    await admin.post('/api/v1/groups', { name: 'engineering' })
    const rules = { issuer: `saml:${keycloak.issuer}`, enabled: true }
    await admin.post('/api/v1/rbac-mappings', { ...rules, principal: 'groups=engineering', team: 'engineering' })
    await admin.post('/api/v1/rbac-mappings', { ...rules, principal: 'groups=operators', role: 'operator' })
    const context = await browser.newContext()
    const theirs = await context.newPage()
    const home = theirs.getByRole('heading', { name: 'Home', exact: true })

    await test.step('a person comes to the page that they wanted, with what their groups give', async () => {
      await theirs.goto(`${server.origin}/templates?search=term`)
      await atKeycloak(theirs)
      await expect(theirs).toHaveURL(`${server.origin}/templates?search=term`)
      const alice = await admin.get('/api/v1/users/alice')
      expect(alice).toMatchObject({ displayName: 'Alice Smith', email: ALICE.email, mappedRoles: ['user', 'operator'] })
      expect(await admin.get('/api/v1/users/alice/groups')).toMatchObject({ items: ['engineering'] })
    })

    await test.step('who signs out here is signed out there: it asks for the password again', async () => {
      await keycloak.removeFrom('operators', 'alice')
      await signOut(theirs)
      await expect(theirs).toHaveURL(`${server.origin}/sign-in`)
      await atKeycloak(theirs)
      await expect(home).toBeVisible()
      expect(await admin.get('/api/v1/users/alice')).toMatchObject({ mappedRoles: ['user'] })
    })

    await test.step('a key that the provider rolled is believed', async () => {
      await keycloak.rollKey()
      await signOut(theirs)
      await atKeycloak(theirs)
      await expect(home).toBeVisible()
    })

    await test.step('who is signed out there is signed out here', async () => {
      await signOutThere(theirs, keycloak.issuer, server.origin)
    })
    await context.close()
    await admin.close()
  } finally {
    await server.remove()
    await keycloak.stop()
  }
})
