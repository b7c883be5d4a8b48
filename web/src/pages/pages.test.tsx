import { act, screen, waitFor, within } from '@testing-library/react'
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeSocket } from '~/test/fakeSocket'
import { fakeServer, json, listOf, nothing, problem, system } from '~/test/fakeServer'
import { aSession, aTemplate, aCondition, anActivity, me } from '~/test/fixtures'
import { renderPage } from '~/test/render'

const aProvider = { label: 'Example', issuer: 'https://id.example', path: '/api/v1/auth/oidc/login' }
const desktop = aTemplate('desktop', { spec: { displayName: 'Linux desktop' } })

describe('signing in', () => {
  beforeEach(() => {
    history.replaceState(null, '', '/')
  })

  it('a page behind the sign-in leads there and back', async () => {
    let signedIn = false
    fakeServer({ templates: [desktop] }, {
      'GET /users/me': () => (signedIn ? json(me) : problem(401, 'Not signed in')),
      'POST /auth/login': ({ body }) => {
        signedIn = (body as { password: string }).password === 'right'
        return signedIn ? json({ user: me }) : problem(401, 'Sign-in failed')
      },
    })
    const { user, router } = renderPage('/templates?search=desk')
    await user.type(await screen.findByLabelText('User name'), 'ada')
    await user.type(screen.getByLabelText('Password'), 'wrong')
    await user.click(screen.getByRole('button', { name: 'Sign in' }))
    expect(await screen.findByRole('alert')).toHaveTextContent('Sign-in failed')
    await user.clear(screen.getByLabelText('Password'))
    await user.type(screen.getByLabelText('Password'), 'right')
    await user.click(screen.getByRole('button', { name: 'Sign in' }))
    expect(await screen.findByRole('heading', { name: 'Templates' })).toBeVisible()
    expect(router.state.location.href).toBe('/templates?search=desk')
  })

  it('never leads to another site', async () => {
    fakeServer({ me: null }, { 'POST /auth/login': () => json({ user: me }) })
    const { user, router } = renderPage('/sign-in?to=//evil.example')
    await user.type(await screen.findByLabelText('User name'), 'ada')
    await user.type(screen.getByLabelText('Password'), 'x')
    await user.click(screen.getByRole('button', { name: 'Sign in' }))
    await waitFor(() => expect(router.state.location.pathname).toBe('/'))
  })

  it('leads to the identity provider and back to the page that one wanted', async () => {
    fakeServer({ me: null }, { 'GET /system': () => json({ ...system, signIn: { password: true, providers: [aProvider, { label: 'Other', path: '/api/v1/auth/saml/login?idp=x' }] } }) })
    renderPage('/templates?search=desk')
    const way = await screen.findByRole('link', { name: 'Sign in with Example' })
    const to = encodeURIComponent('/templates?search=desk')
    expect(way).toHaveAttribute('href', `/api/v1/auth/oidc/login?to=${to}`)
    expect(screen.getByRole('link', { name: 'Sign in with Other' })).toHaveAttribute('href', `/api/v1/auth/saml/login?idp=x&to=${to}`)
    expect(screen.getByLabelText('User name')).toBeVisible()
  })

  it('asks for no password where there are none', async () => {
    fakeServer({ me: null }, { 'GET /system': () => json({ ...system, signIn: { password: false, providers: [aProvider] } }) })
    renderPage('/sign-in')
    expect(await screen.findByRole('link', { name: 'Sign in with Example' })).toHaveAttribute('href', aProvider.path)
    expect(screen.queryByLabelText('User name')).not.toBeInTheDocument()
  })

  it('has words of its own for what a provider’s answer led to, and shows none of the address', async () => {
    fakeServer({ me: null })
    renderPage('/sign-in?problem=no-role&request=r-1')
    expect(await screen.findByRole('alert')).toHaveTextContent('You may not use this server yet')
    expect(screen.getByRole('alert')).toHaveTextContent('r-1')
  })

  it('calls a problem that it does not know a failure', async () => {
    fakeServer({ me: null })
    renderPage('/sign-in?problem=call-555-for-help')
    expect(await screen.findByRole('alert')).toHaveTextContent('The sign-in failed')
    expect(screen.queryByText(/555/)).not.toBeInTheDocument()
  })

  it('a link is redeemed once, leaves the address, and a password is offered', async () => {
    history.replaceState(null, '', '/sign-in#link=one-time')
    const server = fakeServer({ me: null }, {
      'POST /auth/link': () => json({ user: me }),
      'POST /auth/password': nothing,
    })
    const { user } = renderPage('/sign-in')
    expect(await screen.findByText('Welcome, Ada')).toBeVisible()
    expect(location.hash).toBe('')
    expect(server.asked('POST /auth/link').map(({ body }) => body)).toEqual([{ token: 'one-time' }])
    await user.type(screen.getByLabelText('New password'), 'a long password')
    await user.type(screen.getByLabelText('New password, again'), 'another one')
    await user.click(screen.getByRole('button', { name: 'Set password' }))
    expect(screen.getByText('The two are not the same')).toBeVisible()
    expect(server.asked('POST /auth/password')).toHaveLength(0)
    await user.clear(screen.getByLabelText('New password, again'))
    await user.type(screen.getByLabelText('New password, again'), 'a long password')
    await user.click(screen.getByRole('button', { name: 'Set password' }))
    await waitFor(() =>
      expect(server.asked('POST /auth/password').map(({ body }) => body)).toEqual([{ new: 'a long password' }]),
    )
  })
})

describe('the home page', () => {
  it('shows one’s own sessions, live, and what to start', async () => {
    fakeServer({ templates: [desktop], sessions: [aSession('s'), aSession('theirs', { spec: { user: 'bob', displayName: 'Not mine' } })] }, {
      'GET /activity': () =>
        json({ kind: 'ActivityList', items: [anActivity('s', { idle: { since: '2026-01-01T10:00:00Z', cause: 'Quiet' } })] }),
    })
    renderPage('/')
    const card = await screen.findByRole('article', { name: 'Linux desktop' })
    expect(within(card).getByText('Running')).toBeVisible()
    expect(within(card).getByRole('meter', { name: 'CPU' })).toHaveAttribute('aria-valuetext', '0.5 of 2 cores')
    expect(screen.queryByText('Not mine')).not.toBeInTheDocument()
    expect(screen.getByRole('link', { name: /^Launch Linux desktop/ })).toBeVisible()
    act(() =>
      FakeSocket.last.frame({
        type: 'session.updated',
        topic: 'sessions',
        cursor: 'sessions:2',
        session: aSession('s', { phase: 'Hibernated', version: 2 }),
      }),
    )
    expect(await within(card).findByText('Asleep')).toBeVisible()
    expect(within(card).getByRole('button', { name: 'Wake Linux desktop' })).toBeVisible()
  })

  it('offers first what one used, also where its session is gone', async () => {
    localStorage.setItem('streamspace-launches-ada', JSON.stringify({ editor: Date.parse('2026-01-02T00:00:00Z'), other: 'not a time' }))
    const templates = ['another', 'desktop', 'editor', 'other'].map((name) => aTemplate(name))
    fakeServer({ templates, sessions: [aSession('s', { created: '2026-01-01T00:00:00Z' })] })
    renderPage('/')
    const again = await screen.findByRole('region', { name: 'Start again' })
    const names = (part: HTMLElement) => within(part).getAllByRole('link', { name: /^Launch / }).map((link) => link.getAttribute('href'))
    expect(names(again)).toEqual(['/templates/editor', '/templates/desktop'])
    expect(names(screen.getByRole('region', { name: 'Start something' }))).toEqual(['/templates/another', '/templates/other'])
  })

  it('says that the connection is lost, and heals without a reload', async () => {
    fakeServer({ templates: [desktop] })
    const { user } = renderPage('/')
    await screen.findByRole('link', { name: /^Launch Linux desktop/ })
    expect(screen.queryByText(/Connection lost/)).not.toBeInTheDocument()
    act(() => FakeSocket.last.fail())
    expect(await screen.findByText(/Connection lost\. Retrying in \d s/)).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Retry now' }))
    await waitFor(() => expect(screen.queryByText(/Connection lost/)).not.toBeInTheDocument())
  })

  it('draws what failed, and asks again when told to', async () => {
    let failing = true
    fakeServer({}, {
      'GET /templates': () =>
        failing ? problem(500, 'The database is away', { requestId: 'r-1' }) : json({ total: 0, items: [] }),
      'GET /sessions': () => listOf([]),
    })
    // The feed cannot be had either, so the lists are fetched.
    FakeSocket.greet = (socket) => act(() => socket.fail())
    const { user } = renderPage('/')
    const alert = await screen.findByRole('alert')
    expect(alert).toHaveTextContent('The database is away')
    expect(alert).toHaveTextContent('Request r-1')
    failing = false
    await user.click(within(alert).getByRole('button', { name: 'Try again' }))
    expect(await screen.findByText('An administrator can add templates.')).toBeVisible()
  })
})

describe('a server that is away when the page is opened', () => {
  it('is asked again until it is there', async () => {
    let away = true
    fakeServer({ templates: [desktop] }, {
      'GET /users/me': () => (away ? problem(502, 'Away') : json(me)),
    })
    renderPage('/')
    expect(await screen.findByRole('alert')).toHaveTextContent('Away')
    away = false
    dispatchEvent(new Event('online'))
    expect(await screen.findByRole('heading', { name: 'Home' })).toBeVisible()
  })
})

describe('launching', () => {
  const jupyter = aTemplate('jupyter', {
    spec: {
      displayName: 'Jupyter',
      parameters: { type: 'object', required: ['branch'], properties: { branch: { type: 'string', title: 'Branch' } } },
    },
  })

  it('sends what was chosen, follows the start step by step, and opens the session', async () => {
    const made = aSession('ada-jupyter-1', {
      phase: 'Pending',
      spec: { template: 'jupyter' },
      status: { conditions: [aCondition('TemplateResolved'), aCondition('Admitted', 'False', 'Checking')] },
    })
    const server = fakeServer({ templates: [jupyter], sessions: [] }, {
      'POST /sessions': () => json(made, 201),
      'GET /sessions/ada-jupyter-1': () => json(made),
      'POST /sessions/ada-jupyter-1/connect': () => json({ connectionId: 'c', url: 'http://x.localhost:8000/in' }),
    })
    const { user, router } = renderPage('/templates/jupyter')
    await user.click(await screen.findByRole('button', { name: 'Start' }))
    expect(screen.getByText('Required')).toBeVisible()
    expect(server.asked('POST /sessions')).toHaveLength(0)
    await user.type(screen.getByLabelText(/Branch/), 'main')
    await user.click(screen.getByRole('radio', { name: 'Large' }))
    expect(screen.getByText(/Starts Jupyter with 2 cores and 2 GiB of memory\..*30 minutes/)).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Start' }))
    expect(await screen.findByRole('heading', { name: 'Starting Jupyter' })).toBeVisible()
    expect(server.asked('POST /sessions')[0]?.body).toEqual({
      template: 'jupyter',
      resources: { cpu: '2', memory: '2Gi' },
      persistentHome: true,
      parameters: { branch: 'main' },
    })
    expect(screen.getByText('Check what you may use').closest('li')).toHaveAttribute('aria-current', 'step')
    const running = aSession('ada-jupyter-1', { version: 5, spec: { template: 'jupyter' } })
    act(() => FakeSocket.last.frame({ type: 'session.updated', topic: 'sessions', session: running }))
    await waitFor(() => expect(router.state.location.pathname).toBe('/sessions/ada-jupyter-1'))
    expect(await screen.findByTitle('Window of Jupyter')).toHaveAttribute('src', 'http://x.localhost:8000/in')
  })

  it('repeats a lost request under the same key, a changed one under another', async () => {
    const server = fakeServer({ templates: [desktop] }, { 'POST /sessions': () => problem(503, 'Busy') })
    const { user } = renderPage('/templates/desktop')
    const start = await screen.findByRole('button', { name: 'Start' })
    const key = (index: number) => server.asked('POST /sessions')[index]?.headers.get('idempotency-key')
    await user.click(start)
    await screen.findByRole('alert')
    await user.click(start)
    await waitFor(() => expect(server.asked('POST /sessions')).toHaveLength(2))
    await user.click(screen.getByRole('radio', { name: 'Small' }))
    await user.click(start)
    await waitFor(() => expect(server.asked('POST /sessions')).toHaveLength(3))
    expect(key(0)).toMatch(/^[0-9a-f]{32}$/)
    expect(key(1)).toBe(key(0))
    expect(key(2)).not.toBe(key(0))
  })

  it('names the missing program and the command that brings it, and cannot be started', async () => {
    const missing = aTemplate('rstudio', { missing: 'rserver is missing: apt-get install rstudio-server' })
    fakeServer({ templates: [missing] })
    renderPage('/templates/rstudio')
    expect(await screen.findByText('rserver is missing.')).toBeVisible()
    expect(screen.getByText('apt-get install rstudio-server')).toBeVisible()
    expect(screen.getByRole('button', { name: 'Start' })).toBeDisabled()
  })
})

describe('a session’s page', () => {
  const failed = aSession('s', {
    phase: 'Failed',
    status: {
      doctor: { reason: 'ExitedAtOnce', message: 'The program ended at once.', remedy: 'Look at the log.', action: 'openLogs' },
    },
  })

  it('says what is wrong and turns the doctor’s action into a button', async () => {
    fakeServer({ sessions: [failed], templates: [desktop] }, {
      'GET /sessions/s/logs': () => new Response('2026-01-01T10:00:00.1Z no such file\n'),
    })
    const { user, router } = renderPage('/sessions/s')
    expect(await screen.findByText('The program ended at once.')).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Open the log' }))
    expect(router.state.location.search).toEqual({ panel: 'logs' })
    expect(await within(await screen.findByRole('log')).findByText('no such file')).toBeVisible()
  })

  it('tells that a session is gone, as soon as it is', async () => {
    const server = fakeServer({ sessions: [failed], templates: [desktop] })
    renderPage('/sessions/s')
    expect(await screen.findByText('The program ended at once.')).toBeVisible()
    server.forget('GET /sessions/s')
    act(() => FakeSocket.last.frame({ type: 'session.deleted', topic: 'sessions', session: failed }))
    expect(await screen.findByText('This session no longer exists')).toBeVisible()
  })

  it('of somebody else is shown to those who may not enter it, without its window and its buttons', async () => {
    const auditor = { ...me, permissions: ['sessions:read', 'sessions:read-all'] }
    const theirs = aSession('s', { spec: { user: 'bob' } })
    const server = fakeServer({ me: auditor, sessions: [theirs], templates: [desktop] })
    renderPage('/sessions/s')
    expect(await screen.findByText('This is a session of bob')).toBeVisible()
    expect(screen.getByRole('button', { name: 'Details' })).toBeVisible()
    expect(screen.queryByRole('button', { name: 'Stop and keep files' })).not.toBeInTheDocument()
    expect(screen.queryByRole('button', { name: 'More actions' })).not.toBeInTheDocument()
    expect(server.asked('POST /sessions/s/connect')).toHaveLength(0)
  })

  it('snoozes the idle stop', async () => {
    const idle = { since: '2026-01-01T10:00:00Z', cause: 'No key was pressed.', stopsAt: '2099-01-01T10:00:00Z' }
    const server = fakeServer({ sessions: [aSession('s')], templates: [desktop] }, {
      'GET /activity': () => json({ kind: 'ActivityList', items: [anActivity('s', { idle })] }),
      'POST /sessions/s/snooze': () => json(anActivity('s')),
      'POST /sessions/s/connect': () => json({ connectionId: 'c', url: 'http://x.localhost:8000/' }),
    })
    const { user } = renderPage('/sessions/s?panel=health')
    expect(await screen.findByText('No key was pressed.')).toBeVisible()
    await user.click(screen.getByRole('button', { name: 'Keep it running for 1 hr more' }))
    await waitFor(() => expect(server.asked('POST /sessions/s/snooze').map(({ body }) => body)).toEqual([{ for: '1h' }]))
    expect(await screen.findByText('Somebody is working in it.')).toBeVisible()
  })
})

describe('deleting', () => {
  it('says what stays, and asks for the name only where files go', async () => {
    const kept = aSession('kept', { phase: 'Hibernated', spec: { displayName: 'Kept' } })
    const lost = aSession('lost', { phase: 'Hibernated', spec: { displayName: 'Lost', persistentHome: false } })
    const server = fakeServer({ sessions: [kept, lost], templates: [desktop] }, {
      'DELETE /sessions/kept': nothing,
      'DELETE /sessions/lost': nothing,
    })
    const { user } = renderPage('/')
    const ask = async (title: string) => {
      await user.click(await screen.findByRole('button', { name: `Actions for ${title}` }))
      await user.click(await screen.findByRole('menuitem', { name: 'Delete…' }))
      return screen.findByRole('dialog', { name: `Delete ${title}?` })
    }
    const first = await ask('Kept')
    expect(first).toHaveTextContent('Files in your home folder stay.')
    await user.click(within(first).getByRole('button', { name: 'Delete' }))
    await waitFor(() => expect(server.asked('DELETE /sessions/kept')).toHaveLength(1))
    const second = await ask('Lost')
    expect(second).toHaveTextContent('Everything in it is lost')
    expect(within(second).getByRole('button', { name: 'Delete' })).toBeDisabled()
    await user.type(within(second).getByLabelText('Type “Lost” to confirm'), 'Lost')
    await user.click(within(second).getByRole('button', { name: 'Delete' }))
    await waitFor(() => expect(server.asked('DELETE /sessions/lost')).toHaveLength(1))
  })
})

describe('the sessions table', () => {
  it('filters by the address and acts on what is selected', async () => {
    const sessions = [
      aSession('one', { spec: { displayName: 'One' } }),
      aSession('two', { spec: { displayName: 'Two' }, phase: 'Failed' }),
    ]
    const server = fakeServer({ sessions, templates: [desktop] }, {
      'PATCH /sessions/one': () => json(aSession('one', { phase: 'Hibernating', version: 9 })),
    })
    const { user, router } = renderPage('/sessions?search=one')
    expect(await screen.findByRole('link', { name: 'One' })).toBeVisible()
    expect(screen.queryByRole('link', { name: 'Two' })).not.toBeInTheDocument()
    await user.click(screen.getByRole('checkbox', { name: 'Select One' }))
    await user.click(screen.getByRole('button', { name: 'Stop and keep files' }))
    await waitFor(() => expect(server.asked('PATCH /sessions/one')[0]?.body).toEqual({ state: 'hibernated' }))
    await user.click(screen.getByRole('button', { name: 'Name' }))
    await waitFor(() => expect(router.state.location.search).toEqual({ search: 'one', sort: 'name' }))
    expect(screen.getByRole('columnheader', { name: 'Name' })).toHaveAttribute('aria-sort', 'ascending')
  })
})

describe('the palette', () => {
  it('opens from the keyboard and goes where it is told', async () => {
    fakeServer({ sessions: [aSession('s', { spec: { displayName: 'Forecast' } })], templates: [desktop] })
    const { user, router } = renderPage('/')
    await screen.findByRole('heading', { name: 'Home' })
    await user.keyboard('{Control>}k{/Control}')
    const search = await screen.findByLabelText('Find sessions, templates, pages and actions', { selector: 'input' })
    await user.type(search, 'forec')
    await user.keyboard('{Enter}')
    await waitFor(() => expect(router.state.location.pathname).toBe('/sessions/s'))
  })

  it('takes what is called so before what only has to do with it', async () => {
    const shell = aTemplate('terminal', { spec: { displayName: 'Terminal' } })
    const python = aTemplate('ipython', { spec: { displayName: 'IPython', tags: ['terminal'] } })
    fakeServer({ templates: [python, shell] })
    const { user, router } = renderPage('/')
    await screen.findByRole('heading', { name: 'Home' })
    await user.keyboard('{Control>}k{/Control}')
    const search = await screen.findByLabelText('Find sessions, templates, pages and actions', { selector: 'input' })
    await user.type(search, 'launch terminal{Enter}')
    await waitFor(() => expect(router.state.location.pathname).toBe('/templates/terminal'))
  })

  it('loses nothing that is typed before it has come up', async () => {
    fakeServer({ templates: [desktop] })
    const { user, router } = renderPage('/')
    await screen.findByRole('link', { name: /^Launch Linux desktop/ })
    await user.keyboard('{Control>}k{/Control}launch linux{Enter}')
    await waitFor(() => expect(router.state.location.pathname).toBe('/templates/desktop'))
  })
})

describe('pages by role', () => {
  it('an ordinary person has no administration, and an unknown address says so', async () => {
    fakeServer({ me: { ...me, roles: ['user'], permissions: ['sessions:own', 'sessions:read'] } })
    renderPage('/nowhere')
    expect(await screen.findByText('There is nothing at this address')).toBeVisible()
    renderPage('/')
    expect(await screen.findByRole('link', { name: 'Sessions' })).toBeVisible()
    expect(screen.queryByRole('link', { name: 'People' })).not.toBeInTheDocument()
  })
})
