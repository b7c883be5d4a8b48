// Signing in through a second SAML provider, of another make: there and back, and out again from both sides.

import { type Page, expect, test } from '@playwright/test'
import { Api } from '../support/api.ts'
import { Pysaml2 } from '../support/pysaml2.ts'
import { freePort, Server } from '../support/server.ts'
import { newLink, signIn } from '../support/stories.ts'

test.setTimeout(180_000)

const BOB = {
  password: 'a word of bob',
  id: 'person-7',
  // pysaml2 says them by their object identifiers.
  attributes: { uid: 'bob', mail: 'bob@example.com', displayName: 'Bob Jones', isMemberOf: ['engineering', 'operators'] },
}

test('people of a provider on pysaml2 come in with SAML and go out from either side', async ({ browser, page }) => {
  const port = await freePort()
  const provider = await Pysaml2.start(`http://localhost:${port}`, { bob: BOB })
  const server = await Server.start({ port, settings: { SAML_IDP_METADATA_URL: provider.metadata, SAML_LABEL: 'pysaml2' } })
  try {
    await signIn(page, server.link ?? '')
    const admin = await Api.byLink(await newLink(page))
    await admin.post('/api/v1/groups', { name: 'engineering' })
    const rules = { issuer: `saml:${provider.metadata}`, enabled: true }
    await admin.post('/api/v1/rbac-mappings', { ...rules, principal: 'groups=engineering', team: 'engineering' })
    await admin.post('/api/v1/rbac-mappings', { ...rules, principal: 'groups=operators', role: 'operator' })
    const context = await browser.newContext()
    const theirs = await context.newPage()
    const isOut = async () => expect((await theirs.request.get(`${server.origin}/api/v1/users/me`)).status()).toBe(401)

    await test.step('a person comes to the page that they wanted, with what their groups give', async () => {
      await theirs.goto(`${server.origin}/templates?search=term`)
      await throughProvider(theirs, 'not it')
      await expect(theirs.getByText('This is not right.')).toBeVisible()
      await typeIn(theirs, BOB.password)
      await expect(theirs).toHaveURL(`${server.origin}/templates?search=term`)
      const bob = await admin.get('/api/v1/users/bob')
      expect(bob).toMatchObject({ displayName: 'Bob Jones', mappedRoles: ['user', 'operator'] })
      expect(await admin.get('/api/v1/users/bob/groups')).toMatchObject({ items: ['engineering'] })
      expect(await admin.get('/api/v1/users/bob/identities')).toMatchObject({ items: [{ subject: BOB.id }] })
    })

    await test.step('who signs out here is led there, and back with a signed answer', async () => {
      await theirs.getByRole('button', { name: 'Account' }).click()
      await theirs.getByRole('menuitem', { name: 'Sign out' }).click()
      await expect(theirs).toHaveURL(`${server.origin}/sign-in`)
      await isOut()
    })

    await test.step('who is signed out there is signed out here', async () => {
      await throughProvider(theirs, BOB.password)
      await expect(theirs.getByRole('heading', { name: 'Home', exact: true })).toBeVisible()
      await theirs.goto(`${provider.origin}/leave?username=bob`)
      await expect(theirs.getByText('You are signed out everywhere.')).toBeVisible()
      await isOut()
    })
    await context.close()
    await admin.close()
  } catch (failure) {
    throw new Error(`${String(failure)}\n${provider.said}`)
  } finally {
    await server.remove()
    await provider.stop()
  }
})

/** Goes to the provider from our sign-in page, and types a password there. */
async function throughProvider(page: Page, password: string): Promise<void> {
  await page.getByRole('link', { name: 'Sign in with pysaml2' }).click()
  await typeIn(page, password)
}

async function typeIn(page: Page, password: string): Promise<void> {
  await page.getByLabel('Name').fill('bob')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Enter' }).click()
}
