import { screen, waitFor, within } from '@testing-library/react'
import { expect, it } from 'vitest'
import type { Mapping } from '~/api/types'
import { fakeServer, json, listOf, nothing, problem } from '~/test/fakeServer'
import { me } from '~/test/fixtures'
import { renderPage } from '~/test/render'
import { shown } from './shown'

const admin = { ...me, permissions: [...me.permissions, 'sso:manage'] }
const rule: Mapping = {
  id: 'r1',
  issuer: 'https://id.example',
  principal: 'groups=ops',
  team: null,
  role: 'operator',
  enabled: true,
  createdAt: '2026-01-01T10:00:00Z',
}

it('rules are listed, changed and deleted', async () => {
  const server = fakeServer({ me: admin }, {
    'GET /rbac-mappings': () => listOf([rule]),
    'PATCH /rbac-mappings/r1': () => json(rule),
    'DELETE /rbac-mappings/r1': nothing,
  })
  const { user } = renderPage('/admin/sso')
  const table = await screen.findByRole('table', { name: 'Rules' })
  expect(within(table).getAllByText('Role: Operator')[0]).toBeInTheDocument()
  await user.click(within(table).getByRole('button', { name: 'Edit the rule for groups=ops' }))
  await user.type(await screen.findByLabelText('Group'), 'operations')
  await user.click(screen.getByRole('button', { name: 'Save' }))
  await waitFor(() =>
    expect(server.asked('PATCH /rbac-mappings/r1').map(({ body }) => body)).toEqual([
      { issuer: rule.issuer, principal: rule.principal, team: 'operations', role: 'operator', enabled: true },
    ]),
  )
  await user.click(within(table).getByRole('button', { name: 'Edit the rule for groups=ops' }))
  await user.click(await screen.findByRole('button', { name: 'Delete the rule' }))
  await waitFor(() => expect(server.asked('DELETE /rbac-mappings/r1')).toHaveLength(1))
})

it('what is wrong with a rule stands at its field', async () => {
  fakeServer({ me: admin }, {
    'GET /rbac-mappings': () => listOf([]),
    'POST /rbac-mappings': () =>
      problem(400, 'Fields are wrong', { errors: [{ field: 'team', message: 'there is no group x: make it first' }] }),
  })
  const { user } = renderPage('/admin/sso')
  await user.click(await screen.findByRole('button', { name: 'Add a rule' }))
  await user.type(await screen.findByLabelText('Issuer'), rule.issuer)
  await user.type(screen.getByLabelText('Claim and value'), 'groups=x')
  await user.click(screen.getByRole('button', { name: 'Save' }))
  expect(await screen.findByText('there is no group x: make it first')).toBeVisible()
})

it('the tester says who it would be, what fires, what is new and what is taken back', async () => {
  const server = fakeServer({ me: admin }, {
    'GET /rbac-mappings': () => listOf([rule]),
    'POST /admin/sso/test': () =>
      json({
        issuer: rule.issuer,
        claims: { groups: 'ops' },
        user: 'alice',
        exists: true,
        fired: ['r1'],
        groups: { after: [], added: [], removed: ['engineering'] },
        roles: { after: ['operator'], added: ['operator'], removed: [] },
      }),
  })
  const { user } = renderPage('/admin/sso')
  const claims = await screen.findByLabelText('Claims as JSON, an ID token, or a SAML response')
  await user.clear(claims)
  await user.type(claims, '[[]')
  expect(screen.getByText('This is neither a JSON object, nor a token, nor a SAML response')).toBeVisible()
  expect(screen.getByRole('button', { name: 'Try' })).toBeDisabled()
  await user.clear(claims)
  await user.type(claims, '{{"groups": "ops"}')
  await user.click(screen.getByRole('button', { name: 'Try' }))
  expect(await screen.findByText('This is alice.')).toBeVisible()
  expect(screen.getByText('Groups through this provider: engineering (taken back)')).toBeVisible()
  expect(screen.getByText('Roles through this provider: Operator (new)')).toBeVisible()
  expect(server.asked('POST /admin/sso/test').map(({ body }) => body)).toEqual([
    { issuer: rule.issuer, claims: { groups: 'ops' } },
  ])
  expect(screen.queryByText(`What ${rule.issuer} says:`)).toBeNull()
  await user.clear(claims)
  await user.type(claims, 'aGVhZGVy.cGF5bG9hZA.c2ln')
  await user.click(screen.getByRole('button', { name: 'Try' }))
  expect(await screen.findByText(`What ${rule.issuer} says:`)).toBeVisible()
  expect(server.asked('POST /admin/sso/test').at(-1)?.body).toEqual({ token: 'aGVhZGVy.cGF5bG9hZA.c2ln' })
})

it('what is pasted is told by its looks', () => {
  const xml = '<samlp:Response>…</samlp:Response>'
  expect(shown('{"sub": "x"}', 'https://id.example')).toEqual({ claims: { sub: 'x' }, issuer: 'https://id.example' })
  expect(shown(' a.b.c\n', 'https://id.example')).toEqual({ token: 'a.b.c' })
  expect(shown(xml, undefined)).toEqual({ assertion: xml })
  const base64 = 'PHNhbWxwOlJlc3BvbnNlPjwvc2FtbHA6UmVzcG9uc2U+PCEtLQ=='
  expect(shown(base64, undefined)).toEqual({ assertion: base64 })
  for (const other of ['', '[]', 'words', 'a.b']) expect(shown(other, undefined)).toBeUndefined()
})
