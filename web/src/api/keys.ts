/** Keys of the query cache, in one place because the socket writes under them too. */
export const keys = {
  me: ['me'] as const,
  system: ['system'] as const,
  sessions: ['sessions'] as const,
  /** The sessions of one person: part of all, and kept up to date with them. */
  sessionsOf: (user: string) => ['sessions', 'of', user] as const,
  session: (name: string) => ['session', name] as const,
  lifecycle: (name: string) => ['session-detail', name, 'lifecycle'] as const,
  events: (name: string) => ['session-detail', name, 'events'] as const,
  connections: (name: string) => ['session-detail', name, 'connections'] as const,
  shares: (name: string) => ['session-detail', name, 'shares'] as const,
  invitations: (name: string) => ['session-detail', name, 'invitations'] as const,
  /** What others share with oneself. */
  shared: ['shared'] as const,
  templates: ['templates'] as const,
  template: (name: string) => ['template', name] as const,
  activity: ['activity'] as const,
  /** Pages of the list. */
  jobs: ['jobs'] as const,
  /** Single ones, and their logs. */
  jobDetails: ['job'] as const,
  job: (id: string) => ['job', id] as const,
  jobLog: (id: string) => ['job', id, 'log'] as const,
  /** Everything of the catalog: one sync may change any of it. */
  catalog: ['catalog'] as const,
  /** The nodes, each a machine. */
  nodes: ['nodes'] as const,
  /** The sums over them. */
  nodeStats: ['node-stats'] as const,
  /** One, with what is on it. */
  node: (name: string) => ['node', name] as const,
  users: ['users'] as const,
  /** Groups, and who belongs to each. */
  groups: ['groups'] as const,
  members: (group: string) => ['groups', group, 'members'] as const,
  /** Projects, and who belongs to each. */
  projects: ['projects'] as const,
  projectMembers: (project: string) => ['projects', project, 'members'] as const,
  /** Everything that is limited: one change may show in several places. */
  quotas: ['quotas'] as const,
  ownQuota: ['quotas', 'own'] as const,
  quota: (kind: 'default' | 'user' | 'group' | 'project', name: string) => ['quotas', kind, name] as const,
  mappings: ['mappings'] as const,
  settings: ['settings'] as const,
  /** Who one is at identity providers. */
  identities: ['identities'] as const,
  /** One's own tokens, and those of service accounts. */
  tokens: ['tokens'] as const,
  tokensOf: (account: string | undefined) => ['tokens', account] as const,
  audit: (page: number, search: string, actor: string | undefined) => ['audit', { page, search, actor }] as const,
}
