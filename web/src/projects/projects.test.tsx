import { screen, waitFor, within } from '@testing-library/react'
import { expect, it } from 'vitest'
import { fakeServer, listOf, json, nothing } from '~/test/fakeServer'
import { me } from '~/test/fixtures'
import { renderPage } from '~/test/render'

const project = { name: 'laser', displayName: 'Laser', members: 2, createdAt: '2026-01-01T10:00:00Z' }
const ada = { name: 'ada', displayName: 'Ada', role: 'manager', since: '2026-01-01T10:00:00Z' }
const bob = { name: 'bob', displayName: 'Bob', role: 'member', since: '2026-01-02T10:00:00Z' }
const quota = { name: 'laser', origin: 'own', limits: { cpu: '4' }, used: { cpu: '3' } }

/** The answers about a project in which `ada` is what `role` says. */
const laser = (role: 'manager' | 'member') => ({
  'GET /projects': () => listOf([project]),
  'GET /projects/laser/members': () => listOf([{ ...ada, role }, bob]),
  'GET /projects/laser/quota': () => json(quota),
})

const somebody = { ...me, roles: ['user' as const], permissions: ['projects:read'] }

it('a project shows what is used of its limits, and its manager says who belongs to it', async () => {
  const server = fakeServer(
    { me: somebody },
    {
      ...laser('manager'),
      'PUT /projects/laser/members/carol': nothing,
      'PUT /projects/laser/members/bob': nothing,
      'DELETE /projects/laser/members/bob': nothing,
    },
  )
  const { user } = renderPage('/projects')
  const panel = await screen.findByRole('region', { name: 'Laser' })
  expect(await within(panel).findByRole('meter', { name: 'CPU, cores' })).toHaveAttribute('aria-valuetext', '3 of 4')
  await user.type(await within(panel).findByLabelText('Add somebody'), 'carol')
  await user.click(within(panel).getByRole('button', { name: 'Add' }))
  await user.click(within(panel).getByRole('button', { name: 'Make a manager' }))
  await user.click(within(panel).getByRole('button', { name: 'Remove Bob' }))
  await waitFor(() => expect(server.asked('DELETE /projects/laser/members/bob')).toHaveLength(1))
  expect(server.asked('PUT /projects/laser/members/carol').map(({ body }) => body)).toEqual([{ role: 'member' }])
  expect(server.asked('PUT /projects/laser/members/bob').map(({ body }) => body)).toEqual([{ role: 'manager' }])
})

it('a member may leave a project and change nothing else about it', async () => {
  fakeServer({ me: somebody }, laser('member'))
  renderPage('/projects')
  expect(await screen.findByRole('button', { name: 'Remove Ada' })).toBeVisible()
  for (const name of ['Remove Bob', 'Make a manager', 'Add', 'Add a project', 'Actions for Laser']) {
    expect(screen.queryByRole('button', { name }), name).toBeNull()
  }
})
