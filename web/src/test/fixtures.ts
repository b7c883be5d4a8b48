import type { Activity, Condition, Job, Me, Phase, Session, SessionSpec, SessionStatus, Template, TemplateSpec } from '~/api/types'

/** Small true-to-form objects for tests and for the page of all components. */

export const me: Me = {
  name: 'ada',
  displayName: 'Ada',
  roles: ['admin'],
  permissions: [
    'sessions:own', 'sessions:read', 'sessions:read-all', 'sessions:write-all', 'sessions:act-as',
    'users:read', 'users:write', 'audit:read', 'nodes:read', 'nodes:follow', 'nodes:write', 'jobs:read-all', 'jobs:write-all',
  ],
}

export function aCondition(type: string, status: Condition['status'] = 'True', message = ''): Condition {
  return { type, status, reason: 'Test', message, lastTransitionTime: '2026-01-01T10:00:03Z' }
}

const READY = ['TemplateResolved', 'Admitted', 'HomeReady', 'WorkloadReady', 'Reachable', 'Ready']

interface SessionParts {
  phase?: Phase
  version?: number
  created?: string
  spec?: Partial<SessionSpec>
  status?: Partial<SessionStatus>
}

export function aSession(name: string, parts: SessionParts = {}): Session {
  const { phase = 'Running', version = 1, created = '2026-01-01T10:00:00Z', spec, status } = parts
  return {
    apiVersion: 'stream.streamspace.io/v1alpha1',
    kind: 'Session',
    metadata: { name, uid: name, resourceVersion: String(version), creationTimestamp: created, generation: 1 },
    spec: { user: 'ada', template: 'desktop', state: 'running', resources: { cpu: '2', memory: '2Gi' }, persistentHome: true, ...spec },
    status: {
      phase,
      conditions: READY.map((type) => aCondition(type, phase === 'Running' ? 'True' : 'False')),
      workload: { kind: 'Sandbox', name, startedAt: '2026-01-01T10:00:01Z' },
      connections: 0,
      leaderEpoch: 1,
      run: 1,
      ...status,
    },
  }
}

interface TemplateParts {
  spec?: Partial<TemplateSpec>
  /** Why it does not run here. */
  missing?: string
}

export function aTemplate(name: string, { spec, missing }: TemplateParts = {}): Template {
  return {
    apiVersion: 'stream.streamspace.io/v1alpha1',
    kind: 'Template',
    metadata: { name, resourceVersion: '1', creationTimestamp: '2026-01-01T09:00:00Z' },
    spec: {
      displayName: name.charAt(0).toUpperCase() + name.slice(1),
      description: `All about ${name}.`,
      category: 'Desktop',
      baseImage: 'example.test/image',
      home: 'shared',
      security: 'restricted',
      tags: ['linux'],
      defaultResources: { cpu: '1', memory: '1Gi' },
      webapp: { enabled: true, port: 8080, path: '/' },
      ...spec,
    },
    status: { valid: true, instances: 0, conditions: [aCondition('RunsHere', missing ? 'False' : 'True', missing)] },
  }
}

export function anActivity(session: string, parts: Partial<Activity> = {}): Activity {
  return {
    session,
    connections: 1,
    lastActivity: '2026-01-01T10:20:00Z',
    idle: { since: null, cause: 'Somebody is working in it.', stopsAt: null },
    usage: { cpuMillicores: 500, memoryBytes: 2 ** 30, memoryLimitBytes: 2 ** 31 },
    ...parts,
  }
}

export function aJob(id: string, parts: Partial<Job> = {}): Job {
  return {
    id,
    type: 'catalog.sync',
    target: 'repository/7',
    status: 'RUNNING',
    attempt: 1,
    maxAttempts: 3,
    progress: null,
    error: null,
    result: null,
    cancelRequested: false,
    correlationId: null,
    createdBy: null,
    createdAt: '2026-01-01T10:00:00Z',
    runAfter: '2026-01-01T10:00:00Z',
    startedAt: '2026-01-01T10:00:01Z',
    finishedAt: null,
    ...parts,
  }
}
