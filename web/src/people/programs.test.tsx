import { screen, waitFor, within } from '@testing-library/react'
import { expect, it } from 'vitest'
import { fakeServer, json, listOf, problem, system } from '~/test/fakeServer'
import { me } from '~/test/fixtures'
import { renderPage } from '~/test/render'

const ci = {
  name: 'ci',
  kind: 'service',
  displayName: 'Builds',
  email: null,
  roles: ['user'],
  mappedRoles: [],
  disabled: false,
  createdAt: '2026-01-01T10:00:00Z',
  lastSignInAt: null,
}
const token = { id: 't1', name: 'builds', scopes: ['sessions:read'], createdAt: ci.createdAt, expiresAt: '2027-01-01T10:00:00Z', lastUsedAt: null }

it('a program gets an account, and tokens with what it needs', async () => {
  const server = fakeServer({ me }, {
    'GET /users': () => listOf([ci]),
    'POST /service-accounts': () => json(ci, 201),
    'GET /service-accounts/ci/tokens': () => listOf([]),
    'POST /service-accounts/ci/tokens': () => json({ ...token, token: 'the secret' }, 201),
  })
  const { user } = renderPage('/admin/people')
  await user.click(await screen.findByRole('button', { name: 'Add a program' }))
  await user.type(await screen.findByLabelText('User name'), 'ci')
  await user.click(screen.getByRole('button', { name: 'Add' }))
  const tokens = await screen.findByRole('dialog', { name: 'Tokens of Builds' })
  await user.type(within(tokens).getByLabelText('What it is for'), 'builds')
  expect(within(tokens).getByRole('button', { name: 'Create token' })).toBeDisabled()
  await user.click(within(tokens).getByRole('combobox', { name: 'Scopes' }))
  await user.click(await screen.findByRole('option', { name: 'sessions:read' }))
  await user.click(within(tokens).getByRole('button', { name: 'Create token' }))
  expect(await screen.findByText('the secret')).toBeVisible()
  expect(server.asked('POST /service-accounts').map(({ body }) => body)).toEqual([{ name: 'ci', roles: ['user'] }])
  expect(server.asked('POST /service-accounts/ci/tokens').map(({ body }) => body)).toEqual([
    { name: 'builds', expiresIn: '720h', scopes: ['sessions:read'] },
  ])
})

it('people make themselves an account only where they may, and hear what is wrong with it', async () => {
  const open = { ...system, signIn: { ...system.signIn, registration: true } }
  const server = fakeServer({ me: null }, {
    'GET /system': () => json(open),
    'POST /auth/register': () =>
      problem(400, 'Fields are wrong', { errors: [{ field: 'password', message: 'others would guess it' }] }),
  })
  const { user } = renderPage('/sign-in')
  await user.click(await screen.findByRole('button', { name: 'Create an account' }))
  await user.type(screen.getByLabelText('User name'), 'ada')
  await user.type(screen.getByLabelText('New password'), 'password')
  await user.click(screen.getByRole('button', { name: 'Create the account' }))
  expect(await screen.findByText('others would guess it')).toBeVisible()
  await waitFor(() =>
    expect(server.asked('POST /auth/register').map(({ body }) => body)).toEqual([{ username: 'ada', password: 'password' }]),
  )
})

it('where accounts are made by an administrator nobody is offered one', async () => {
  fakeServer({ me: null })
  renderPage('/sign-in')
  expect(await screen.findByRole('button', { name: 'Sign in' })).toBeVisible()
  expect(screen.queryByRole('button', { name: 'Create an account' })).toBeNull()
})
