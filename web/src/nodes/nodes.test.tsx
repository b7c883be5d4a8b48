import { act, screen, waitFor, within } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import type { Node } from '~/api/types'
import { FakeSocket } from '~/test/fakeSocket'
import { fakeServer, json, listOf, problem } from '~/test/fakeServer'
import { me } from '~/test/fixtures'
import { renderPage } from '~/test/render'

function aNode(name: string, more: Partial<Node> = {}): Node {
  const amounts = { cpu: '4', memory: '8Gi', storage: '100Gi' }
  return {
    name,
    resourceVersion: '1',
    createdAt: '2026-01-01T10:00:00Z',
    ready: true,
    schedulable: true,
    roles: [],
    labels: { 'kubernetes.io/os': 'linux', team: 'blue' },
    taints: [],
    capacity: amounts,
    allocatable: amounts,
    requested: { cpu: '1500m', memory: '2Gi' },
    used: { cpu: '500m', memory: '1Gi', storage: '10Gi' },
    sessions: 1,
    versions: { os: 'Debian', kernel: '6.1', architecture: 'amd64' },
    conditions: [],
    ...more,
  }
}

const detail = (node: Node) => json({ ...node, sessionsHere: [], podsHere: [], events: [] })

describe('the nodes', () => {
  it('show what is used and asked for of what there is, and change in place as the feed tells', async () => {
    const server = fakeServer({}, { 'GET /api/admin/nodes': () => listOf([aNode('one')]) })
    renderPage('/admin/nodes')
    const row = (await screen.findByRole('link', { name: 'one' })).closest('tr') as HTMLElement
    const cpu = () => within(row).getAllByRole('meter', { name: 'CPU' })[0]
    expect(cpu()).toHaveAttribute('aria-valuetext', '0.5 used, 1.5 asked for of 4')
    await waitFor(() => expect(FakeSocket.last.sent).toContainEqual({ type: 'subscribe', topic: 'cluster' }))
    const asked = server.asked('GET /api/admin/nodes').length
    const used = { cpu: '2', memory: '1Gi', storage: '10Gi' }
    act(() => FakeSocket.last.frame({ type: 'node.updated', topic: 'cluster', node: aNode('one', { used, schedulable: false }) }))
    await waitFor(() => expect(cpu()).toHaveAttribute('aria-valuetext', '2 used, 1.5 asked for of 4'))
    expect(within(row).getAllByText('Cordoned')[0]).toBeVisible()
    expect(server.asked('GET /api/admin/nodes')).toHaveLength(asked)
    act(() => FakeSocket.last.frame({ type: 'node.updated', topic: 'cluster', node: aNode('two') }))
    expect(await screen.findByRole('link', { name: 'two' })).toBeVisible()
    act(() => FakeSocket.last.frame({ type: 'node.deleted', topic: 'cluster', node: { name: 'one' } }))
    await waitFor(() => expect(screen.queryByRole('link', { name: 'one' })).not.toBeInTheDocument())
  })

  it('say nothing of what nothing measures', async () => {
    fakeServer({}, { 'GET /api/admin/nodes': () => listOf([aNode('one', { used: null })]) })
    renderPage('/admin/nodes')
    const meter = (await screen.findAllByRole('meter', { name: 'CPU' }))[0]
    expect(meter).toHaveAttribute('aria-valuetext', '1.5 asked for of 4')
  })

  it('can be changed by those who may, and a refusal says what is wrong', async () => {
    const server = fakeServer({}, {
      'GET /api/admin/nodes/one': () => detail(aNode('one')),
      'GET /jobs': () => listOf([]),
      'PUT /api/admin/nodes/one/labels': () =>
        problem(400, 'Fields are wrong', { errors: [{ field: 'key', level: 'error', message: 'belongs to Kubernetes' }] }),
      'DELETE /api/admin/nodes/one/labels/team': () => json(aNode('one', { labels: { 'kubernetes.io/os': 'linux' } })),
      'POST /api/admin/nodes/one/cordon': () => json(aNode('one', { schedulable: false })),
    })
    const { user } = renderPage('/admin/nodes/one')
    await user.click(await screen.findByRole('button', { name: 'Set a label' }))
    const dialog = await screen.findByRole('dialog', { name: 'Set a label' })
    await user.type(within(dialog).getByLabelText('Key'), 'k8s.io/x')
    await user.click(within(dialog).getByRole('button', { name: 'Set' }))
    expect(await within(dialog).findByRole('alert')).toHaveTextContent('belongs to Kubernetes')
    await user.click(within(dialog).getByRole('button', { name: 'Cancel' }))
    expect(screen.queryByRole('button', { name: 'Remove kubernetes.io/os' })).not.toBeInTheDocument()
    await user.click(screen.getByRole('button', { name: 'Remove team' }))
    await waitFor(() => expect(screen.queryByRole('button', { name: 'Remove team' })).not.toBeInTheDocument())
    await user.click(screen.getByRole('button', { name: 'Cordon' }))
    await user.click(within(await screen.findByRole('dialog')).getByRole('button', { name: 'Cordon' }))
    expect(await screen.findByRole('button', { name: 'Uncordon' })).toBeVisible()
    expect(server.asked('POST /api/admin/nodes/one/cordon')).toHaveLength(1)
  })

  it('offer nothing to those who may only look', async () => {
    fakeServer({ me: { ...me, permissions: ['nodes:read', 'jobs:read'] } }, {
      'GET /api/admin/nodes/one': () => detail(aNode('one')),
      'GET /jobs': () => listOf([]),
    })
    renderPage('/admin/nodes/one')
    expect(await screen.findByRole('heading', { name: 'one', level: 1 })).toBeVisible()
    for (const name of ['Cordon', 'Drain', 'Set a label', 'Set a taint', 'Remove team']) {
      expect(screen.queryByRole('button', { name })).not.toBeInTheDocument()
    }
  })
})
