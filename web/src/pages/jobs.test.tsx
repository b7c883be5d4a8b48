import { act, screen, waitFor, within } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import { FakeSocket } from '~/test/fakeSocket'
import { fakeServer, json, listOf } from '~/test/fakeServer'
import { aJob, me } from '~/test/fixtures'
import { renderPage } from '~/test/render'

const line = (number: number, message: string, attempt = 1) => ({
  number,
  attempt,
  time: '2026-01-01T10:00:00Z',
  level: 'info',
  message,
})

describe('the jobs', () => {
  it('change in place as the feed tells, and are fetched again only when there are others', async () => {
    const first = aJob('job_1')
    const server = fakeServer({}, { 'GET /jobs': () => listOf([first]) })
    renderPage('/admin/jobs')
    const row = (await screen.findByRole('link', { name: 'Sync of a repository' })).closest('tr') as HTMLElement
    expect(within(row).getAllByText('Running')[0]).toBeVisible()
    await waitFor(() => expect(FakeSocket.last.sent).toContainEqual({ type: 'subscribe', topic: 'jobs' }))
    const asked = server.asked('GET /jobs').length
    const progress = { done: 3, total: 12, message: 'reading manifests' }
    act(() => FakeSocket.last.frame({ type: 'job.updated', topic: 'jobs', cursor: 'jobs:2', job: { ...first, progress } }))
    const bar = await within(row).findByRole('progressbar', { name: 'reading manifests' })
    expect(bar).toHaveAttribute('aria-valuetext', '3 of 12')
    expect(server.asked('GET /jobs')).toHaveLength(asked)
    act(() => FakeSocket.last.frame({ type: 'job.created', topic: 'jobs', cursor: 'jobs:3', job: aJob('job_2') }))
    await waitFor(() => expect(server.asked('GET /jobs').length).toBeGreaterThan(asked))
  })

  it('can be stopped while they may still do something, and run again once they were given up', async () => {
    const dead = aJob('job_2', { status: 'DEAD', attempt: 3, error: 'The host does not answer.' })
    const server = fakeServer({}, {
      'GET /jobs': () => listOf([aJob('job_1'), dead]),
      'POST /jobs/job_1/cancel': () => json(aJob('job_1', { cancelRequested: true }), 202),
      'POST /jobs/job_2/retry': () => json(aJob('job_2', { status: 'PENDING', attempt: 0 }), 202),
    })
    const { user } = renderPage('/admin/jobs')
    const [running, givenUp] = await screen.findAllByRole('button', { name: /^More actions/ })
    await user.click(running as HTMLElement)
    expect(screen.queryByRole('menuitem', { name: 'Run again' })).not.toBeInTheDocument()
    await user.click(await screen.findByRole('menuitem', { name: 'Cancel' }))
    await waitFor(() => expect(server.asked('POST /jobs/job_1/cancel')).toHaveLength(1))
    await user.click(givenUp as HTMLElement)
    await user.click(await screen.findByRole('menuitem', { name: 'Run again' }))
    await waitFor(() => expect(server.asked('POST /jobs/job_2/retry')).toHaveLength(1))
  })

  it('offer nothing to those who may only look', async () => {
    fakeServer({ me: { ...me, permissions: ['jobs:read', 'jobs:read-all'] } }, { 'GET /jobs': () => listOf([aJob('job_1')]) })
    renderPage('/admin/jobs')
    expect(await screen.findByRole('link', { name: 'Sync of a repository' })).toBeVisible()
    expect(screen.queryByRole('button', { name: /^More actions/ })).not.toBeInTheDocument()
  })

  it('tell what they say, attempt by attempt, and only what is new is fetched', async () => {
    const log = [line(1, 'fetching'), line(2, 'it did not answer'), line(3, 'fetching again', 2)]
    const server = fakeServer({}, {
      'GET /jobs/job_1': () => json(aJob('job_1', { attempt: 2 })),
      'GET /jobs/job_1/logs': ({ query }) => {
        const items = log.slice(Number(query.get('after')))
        return json({ kind: 'JobLog', page: 1, size: items.length, total: log.length, items })
      },
    })
    renderPage('/admin/jobs/job_1')
    const lines = await screen.findByRole('log', { name: 'Lines of the log' })
    expect(lines).toHaveTextContent(/Attempt 1.*fetching.*did not answer.*Attempt 2.*fetching again/)
    log.push(line(4, 'done', 2))
    act(() => FakeSocket.last.frame({ type: 'job.updated', topic: 'jobs', job: aJob('job_1', { attempt: 2, status: 'SUCCEEDED' }) }))
    await waitFor(() => expect(lines).toHaveTextContent(/fetching again.*done/))
    expect(screen.getByText('Done')).toBeVisible()
    expect(server.asked('GET /jobs/job_1/logs').at(-1)?.query.get('after')).toBe('3')
  })
})
