import { screen, waitFor } from '@testing-library/react'
import { expect, it } from 'vitest'
import type { Configuration } from '~/api/types'
import { fakeServer, json, problem } from '~/test/fakeServer'
import { me } from '~/test/fixtures'
import { renderPage } from '~/test/render'

const admin = { ...me, permissions: [...me.permissions, 'config:write'] }
const configured = {
  logLevel: 'info',
  rateLimitAddress: 200,
  rateLimitUser: 100,
  rateLimitSignIn: 20,
  defaultIdleTimeout: '1h',
  maxIdleTimeout: '168h',
  maxSessionDuration: '0s',
  terminatedTtl: '168h',
  budgetGrace: '30m',
  syncInterval: '1h',
}

const settings = (resourceVersion: string, overrides: Configuration['overrides']): Configuration => ({
  ...configured,
  ...(overrides as Partial<typeof configured>),
  kind: 'Config',
  resourceVersion,
  overrides,
  configured,
})

it('what was typed is changed and nothing else, and can be taken back', async () => {
  let now = settings('0', {})
  const server = fakeServer({ me: admin }, {
    'GET /config': () => json(now),
    'PATCH /config': () => json(now),
  })
  const { user } = renderPage('/admin/settings')
  const limit = await screen.findByLabelText('Requests a second of one person')
  expect(screen.getByRole('button', { name: 'Save' })).toBeDisabled()
  await user.clear(limit)
  await user.type(limit, '50')
  now = settings('1', { rateLimitUser: 50 })
  await user.click(screen.getByRole('button', { name: 'Save' }))
  const back = await screen.findByRole('button', { name: 'Take back “Requests a second of one person”' })
  expect(screen.getByText(/Started with 100/)).toBeVisible()
  now = settings('2', {})
  await user.click(back)
  await waitFor(() => expect(back).not.toBeInTheDocument())
  expect(screen.getByLabelText('Requests a second of one person')).toHaveValue('100')
  expect(server.asked('PATCH /config').map(({ body }) => body)).toEqual([{ rateLimitUser: 50 }, { rateLimitUser: null }])
})

it('what is wrong with a setting stands at its field, and what was typed stays', async () => {
  fakeServer({ me: admin }, {
    'GET /config': () => json(settings('0', {})),
    'PATCH /config': () =>
      problem(400, 'Fields are wrong', { errors: [{ field: 'budgetGrace', message: '“soon” is no duration' }] }),
  })
  const { user } = renderPage('/admin/settings')
  const grace = await screen.findByLabelText('Grace once a budget is spent')
  await user.clear(grace)
  await user.type(grace, 'soon')
  await user.click(screen.getByRole('button', { name: 'Save' }))
  expect(await screen.findByText('“soon” is no duration')).toBeVisible()
  expect(grace).toHaveValue('soon')
})
