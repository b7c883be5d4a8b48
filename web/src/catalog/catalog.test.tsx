import { act, screen, waitFor, within } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import type { CatalogTemplate, Repository } from '~/api/types'
import { FakeSocket } from '~/test/fakeSocket'
import { fakeServer, json, listOf, problem } from '~/test/fakeServer'
import { aJob, me } from '~/test/fixtures'
import { renderPage } from '~/test/render'
import { changeOf, draftOf, repositoryOf } from './repositoryForm'

const PERMISSIONS = ['catalog:read', 'catalog:repositories', 'catalog:sync', 'catalog:write', 'templates:write']
const admin = { ...me, permissions: [...me.permissions, ...PERMISSIONS] }

function aCatalogTemplate(name: string, parts: Partial<CatalogTemplate> = {}): CatalogTemplate {
  return {
    id: name,
    name,
    displayName: name,
    description: `All about ${name}.`,
    category: 'Tools',
    tags: ['team'],
    icon: null,
    repository: '7',
    repositoryName: 'Team',
    path: `${name}.yaml`,
    version: 'v2',
    commit: 'abc',
    installs: 0,
    installed: [],
    unverified: false,
    addedAt: '2026-01-01T10:00:00Z',
    updatedAt: '2026-01-01T10:00:00Z',
    ...parts,
  }
}

const repository: Repository = {
  id: '7',
  name: 'Team',
  url: 'https://git.example.test/team',
  branch: 'main',
  path: '',
  auth: { type: 'token' },
  interval: null,
  status: 'synced',
  syncedCommit: 'abc',
  templateCount: 1,
  lastError: null,
  lastSyncAt: '2026-01-01T10:00:00Z',
  nextSyncAt: null,
  hasWebhookSecret: false,
  createdAt: '2026-01-01T10:00:00Z',
  createdBy: 'ada',
  builtIn: false,
}

const page = (...items: CatalogTemplate[]) =>
  json({
    kind: 'CatalogTemplateList',
    page: 1,
    size: items.length,
    total: items.length,
    items,
    facets: { category: [{ value: 'Tools', label: 'Tools', count: items.length }], tag: [], repository: [] },
  })

describe('the catalog', () => {
  it('is asked for what stands in the address, says what is installed or behind, and follows the syncs', async () => {
    const behind = aCatalogTemplate('behind', { installed: [{ name: 'behind', version: 'v1' }] })
    const items = [behind, aCatalogTemplate('here', { installed: [{ name: 'here', version: 'v2' }] })]
    const server = fakeServer({ me: admin }, { 'GET /catalog/templates': () => page(...items) })
    const { user, router } = renderPage('/admin/catalog?search=tool')
    expect(within(await screen.findByRole('article', { name: 'behind' })).getByText('Update available')).toBeVisible()
    expect(within(screen.getByRole('article', { name: 'here' })).getByText('Installed')).toBeVisible()
    expect(server.asked('GET /catalog/templates')[0]?.query.get('search')).toBe('tool')
    await user.click(screen.getByRole('checkbox', { name: /^Tools/ }))
    await waitFor(() => expect(router.state.location.search).toEqual({ search: 'tool', category: 'Tools' }))
    items.push(aCatalogTemplate('pushed'))
    act(() => FakeSocket.last.frame({ type: 'job.updated', topic: 'jobs', job: aJob('job_1', { status: 'SUCCEEDED' }) }))
    expect(await screen.findByRole('article', { name: 'pushed' })).toBeVisible()
  })

  it('shows a repository with what is wrong in its files, and where', async () => {
    const wrong = { file: 'a/b.yaml', line: 6, column: 3, level: 'error', message: 'spec.baseImage: write an image' }
    const sync = { id: 's', job: 'job_1', result: 'synced', commit: 'abc', added: 1, changed: 0, removed: 0, error: null, problems: [wrong], beganAt: '2026-01-01T10:00:00Z', endedAt: '2026-01-01T10:00:00Z' }
    fakeServer({ me: admin }, {
      'GET /catalog/repositories/7': () => json(repository),
      'GET /catalog/repositories/7/syncs': () => listOf([sync]),
      'GET /catalog/repositories/7/deliveries': () => listOf([]),
      'GET /jobs': () => listOf([aJob('job_2', { progress: { done: 2, total: 8, message: 'reading manifests' } })]),
    })
    renderPage('/admin/catalog/repositories/7')
    const problems = await screen.findByRole('table', { name: 'Problems in files' })
    expect(problems).toHaveTextContent('a/b.yaml')
    expect(problems).toHaveTextContent('line 6, column 3')
    expect(problems).toHaveTextContent('spec.baseImage: write an image')
    expect(await screen.findByRole('progressbar', { name: 'reading manifests' })).toHaveAttribute('aria-valuenow', '25')
    expect(screen.getByRole('button', { name: 'Sync now' })).toBeDisabled()
  })

  it('says beside the field what the server does not take', async () => {
    const server = fakeServer({ me: admin }, {
      'GET /catalog/repositories': () => listOf([]),
      'POST /catalog/repositories': () => problem(422, 'Not acceptable', { errors: [{ field: 'url', message: 'use https' }] }),
    })
    const { user } = renderPage('/admin/catalog/repositories')
    await user.click(await screen.findByRole('button', { name: 'Add a repository' }))
    const dialog = await screen.findByRole('dialog')
    await user.type(within(dialog).getByLabelText('Name'), 'Team')
    await user.type(within(dialog).getByLabelText('URL'), 'ftp://git.example.test/team')
    await user.click(within(dialog).getByRole('button', { name: 'Add a repository' }))
    expect(await within(dialog).findByText('use https')).toBeVisible()
    expect(server.asked('POST /catalog/repositories')[0]?.body).toEqual({
      name: 'Team',
      url: 'ftp://git.example.test/team',
      path: '',
      auth: { type: 'none' },
    })
  })
})

describe('the form of a repository', () => {
  it('sends no credentials that were not typed, and takes away what was chosen before', () => {
    const draft = draftOf(repository)
    expect(changeOf(draft)).toEqual({ name: 'Team', url: repository.url, path: '', branch: 'main', tag: null, commit: null, interval: null })
    expect(changeOf({ ...draft, reference: 'tag', referenceName: 'v1' })).toMatchObject({ branch: null, tag: 'v1' })
    expect(repositoryOf({ ...draft, signIn: 'ssh', privateKey: 'key', hostKey: 'host' }).auth).toEqual({
      type: 'ssh',
      privateKey: 'key',
      hostKey: 'host',
    })
  })
})
