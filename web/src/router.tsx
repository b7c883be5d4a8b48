import type { QueryClient } from '@tanstack/react-query'
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
  type RouterHistory,
} from '@tanstack/react-router'
import { meQuery, type JobFilter } from './api/queries'
import type { Phase } from './api/types'
import { CATALOG_SORTS, TEMPLATE_TABS, type CatalogFilter, type TemplateTab } from './catalog/filter'
import { JOB_STATES } from './lib/job'
import { AuthGate } from './components/AuthGate'
import { Crashed } from './components/Crashed'
import { Missing } from './components/Missing'
import { Pending } from './components/Pending'
import { Shell } from './components/Shell'
import { part } from './lib/part'
import { SORT_KEYS, type SessionFilter, type Sort } from './lib/sessionTable'
import { HomePage } from './pages/HomePage'
import { PANELS, type Panel } from './session/panels'
import { strings } from './strings'

/**
 * What stands after the `?` comes from anywhere; each page takes only what it knows. A value that is not acceptable is
 * set to `undefined`, because the router keeps keys that are merely left out.
 */
type Search = Record<string, unknown>
const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
const list = (value: unknown) =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : undefined
const pageNumber = (value: unknown) => (typeof value === 'number' && value >= 1 ? Math.floor(value) : undefined)
const oneOf = <Value extends string>(value: unknown, values: readonly Value[]) =>
  values.find((known) => known === value)

const root = createRootRouteWithContext<{ client: QueryClient }>()({
  notFoundComponent: () => <Missing kind="page" />,
  errorComponent: Crashed,
})

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  // Only ways into this very page: `//elsewhere` would lead away.
  validateSearch: (search: Search): { to?: string; problem?: string; request?: string } => ({
    to: /^\/(?![/\\])/.test(text(search['to']) ?? '') ? text(search['to']) : undefined,
    problem: text(search['problem']),
    request: text(search['request']),
  }),
  component: lazyRouteComponent(() => part(() => import('./pages/SignInPage')), 'SignInPage'),
})

const authed = createRoute({
  getParentRoute: () => root,
  id: 'authed',
  beforeLoad: async ({ context, location }) => {
    const me = await context.client.query({ ...meQuery, staleTime: 'static' })
    if (!me) throw redirect({ to: '/sign-in', search: location.href === '/' ? {} : { to: location.href } })
  },
  component: AuthGate,
})

const shell = createRoute({ getParentRoute: () => authed, id: 'shell', component: Shell })

const home = createRoute({ getParentRoute: () => shell, path: '/', component: HomePage })

const templates = createRoute({
  getParentRoute: () => shell,
  path: '/templates',
  validateSearch: (search: Search): { search?: string; category?: string; tags?: string[]; here?: boolean } => ({
    search: text(search['search']),
    category: text(search['category']),
    tags: list(search['tags']),
    here: search['here'] === true ? true : undefined,
  }),
  component: lazyRouteComponent(() => part(() => import('./pages/TemplatesPage')), 'TemplatesPage'),
})

const template = createRoute({
  getParentRoute: () => shell,
  path: '/templates/$name',
  validateSearch: (search: Search): { session?: string } => ({ session: text(search['session']) }),
  component: lazyRouteComponent(() => part(() => import('./pages/TemplatePage')), 'TemplatePage'),
})

const PHASES = Object.keys(strings.phases) as Phase[]
const SORTS = SORT_KEYS.flatMap((key): Sort[] => [key, `-${key}`])

const sessions = createRoute({
  getParentRoute: () => shell,
  path: '/sessions',
  validateSearch: (search: Search): SessionFilter & { sort?: Sort } => ({
    search: text(search['search']),
    phase: oneOf(search['phase'], PHASES),
    template: text(search['template']),
    user: text(search['user']),
    sort: oneOf(search['sort'], SORTS),
  }),
  component: lazyRouteComponent(() => part(() => import('./pages/SessionsPage')), 'SessionsPage'),
})

const session = createRoute({
  getParentRoute: () => authed,
  path: '/sessions/$id',
  validateSearch: (search: Search): { panel?: Panel } => ({ panel: oneOf(search['panel'], PANELS) }),
  component: lazyRouteComponent(() => part(() => import('./pages/SessionPage')), 'SessionPage'),
})

const invitation = createRoute({
  getParentRoute: () => shell,
  path: '/invitation',
  component: lazyRouteComponent(() => part(() => import('./sharing/InvitationPage')), 'InvitationPage'),
})

const profile = createRoute({
  getParentRoute: () => shell,
  path: '/profile',
  component: lazyRouteComponent(() => part(() => import('./pages/ProfilePage')), 'ProfilePage'),
})

const people = createRoute({
  getParentRoute: () => shell,
  path: '/admin/people',
  component: lazyRouteComponent(() => part(() => import('./pages/PeoplePage')), 'PeoplePage'),
})

const groups = createRoute({
  getParentRoute: () => shell,
  path: '/admin/groups',
  component: lazyRouteComponent(() => part(() => import('./people/GroupsPage')), 'GroupsPage'),
})

const projects = createRoute({
  getParentRoute: () => shell,
  path: '/projects',
  component: lazyRouteComponent(() => part(() => import('./projects/ProjectsPage')), 'ProjectsPage'),
})

const audit = createRoute({
  getParentRoute: () => shell,
  path: '/admin/audit',
  validateSearch: (search: Search): { search?: string; page?: number } => ({
    search: text(search['search']),
    page: pageNumber(search['page']),
  }),
  component: lazyRouteComponent(() => part(() => import('./pages/AuditPage')), 'AuditPage'),
})

const jobs = createRoute({
  getParentRoute: () => shell,
  path: '/admin/jobs',
  validateSearch: (search: Search): JobFilter => ({
    search: text(search['search']),
    status: oneOf(search['status'], JOB_STATES),
    page: pageNumber(search['page']),
  }),
  component: lazyRouteComponent(() => part(() => import('./pages/JobsPage')), 'JobsPage'),
})

const job = createRoute({
  getParentRoute: () => shell,
  path: '/admin/jobs/$id',
  component: lazyRouteComponent(() => part(() => import('./pages/JobPage')), 'JobPage'),
})

const catalog = createRoute({
  getParentRoute: () => shell,
  path: '/admin/catalog',
  validateSearch: (search: Search): CatalogFilter => ({
    search: text(search['search']),
    category: text(search['category']),
    tag: text(search['tag']),
    repository: text(search['repository']),
    installed: oneOf(search['installed'], ['yes', 'no'] as const),
    sort: oneOf(search['sort'], CATALOG_SORTS),
    page: pageNumber(search['page']),
  }),
  component: lazyRouteComponent(() => part(() => import('./catalog/CatalogPage')), 'CatalogPage'),
})

const catalogTemplate = createRoute({
  getParentRoute: () => shell,
  path: '/admin/catalog/templates/$id',
  validateSearch: (search: Search): { tab?: TemplateTab; from?: string; to?: string } => ({
    tab: oneOf(search['tab'], TEMPLATE_TABS),
    from: text(search['from']),
    to: text(search['to']),
  }),
  component: lazyRouteComponent(() => part(() => import('./catalog/CatalogTemplatePage')), 'CatalogTemplatePage'),
})

const grants = createRoute({
  getParentRoute: () => shell,
  path: '/admin/catalog/grants',
  component: lazyRouteComponent(() => part(() => import('./catalog/GrantsPage')), 'GrantsPage'),
})

const repositories = createRoute({
  getParentRoute: () => shell,
  path: '/admin/catalog/repositories',
  component: lazyRouteComponent(() => part(() => import('./catalog/RepositoriesPage')), 'RepositoriesPage'),
})

const repository = createRoute({
  getParentRoute: () => shell,
  path: '/admin/catalog/repositories/$id',
  component: lazyRouteComponent(() => part(() => import('./catalog/RepositoryPage')), 'RepositoryPage'),
})

const nodes = createRoute({
  getParentRoute: () => shell,
  path: '/admin/nodes',
  component: lazyRouteComponent(() => part(() => import('./nodes/NodesPage')), 'NodesPage'),
})

const node = createRoute({
  getParentRoute: () => shell,
  path: '/admin/nodes/$name',
  component: lazyRouteComponent(() => part(() => import('./nodes/NodePage')), 'NodePage'),
})

/** Whatever else is asked for, inside the frame. */
const elsewhere = createRoute({ getParentRoute: () => shell, path: '$', component: () => <Missing kind="page" /> })

/** All components in all states, for developing; not part of what is built. */
const developing = import.meta.env.DEV
  ? [
      createRoute({
        getParentRoute: () => shell,
        path: '/dev/components',
        component: lazyRouteComponent(() => part(() => import('./pages/ComponentsPage')), 'ComponentsPage'),
      }),
    ]
  : []

const sso = createRoute({
  getParentRoute: () => shell,
  path: '/admin/sso',
  component: lazyRouteComponent(() => part(() => import('./sso/SsoPage')), 'SsoPage'),
})

const settings = createRoute({
  getParentRoute: () => shell,
  path: '/admin/settings',
  component: lazyRouteComponent(() => part(() => import('./settings/SettingsPage')), 'SettingsPage'),
})

const theCatalog = [catalog, catalogTemplate, repositories, repository, grants]
const pages = [home, templates, template, sessions, invitation, profile, people, groups, projects, sso, settings, audit, jobs, job, nodes, node, ...theCatalog, elsewhere]
const routeTree = root.addChildren([
  signIn,
  authed.addChildren([shell.addChildren([...pages, ...developing]), session]),
])

/** `history`: other than the browser's own, for tests. */
export function makeRouter(client: QueryClient, history?: RouterHistory) {
  return createRouter({
    routeTree,
    history,
    context: { client },
    defaultPreload: 'intent',
    defaultErrorComponent: Crashed,
    defaultPendingComponent: Pending,
    defaultPendingMs: 300,
    scrollRestoration: true,
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
}
