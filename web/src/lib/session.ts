import type { Condition, Phase, Session, Template, TemplateSpec } from '~/api/types'
import { strings } from '~/strings'

/** What to show of it: one that was asked to sleep is no place to work in any more, though it may still run. */
export function phaseOf(session: Session): Phase {
  const phase = session.status?.phase ?? 'Pending'
  return phase === 'Running' && session.spec.state === 'hibernated' ? 'Hibernating' : phase
}

/** What people call the session: its own name, else its template's. */
export function titleOf(session: Session, template?: Template): string {
  return session.spec.displayName ?? template?.spec.displayName ?? session.spec.template
}

/** Whether the dashboard's own viewer shows it; KasmVNC brings a web client of its own and counts as a web app. */
export function isDesktop(template: Template): boolean {
  return isDesktopSpec(template.spec)
}

export function isDesktopSpec({ vnc }: { vnc?: TemplateSpec['vnc'] | undefined }): boolean {
  return vnc?.enabled === true && vnc.protocol !== 'kasmvnc'
}

/** Gone or going: listed no more on the home page. */
export function isOver(phase: Phase): boolean {
  return phase === 'Terminating' || phase === 'Terminated'
}

export function isStarting(phase: Phase): boolean {
  return phase === 'Pending' || phase === 'Starting'
}

export function canStop(phase: Phase): boolean {
  return isStarting(phase) || phase === 'Running' || phase === 'Failed'
}

export function canWake(phase: Phase): boolean {
  return phase === 'Hibernated'
}

/** Whether deleting the session deletes files too. */
export function losesFiles(session: Session): boolean {
  return !session.spec.persistentHome
}

export function conditionOf(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type)
}

export type StepState = 'done' | 'active' | 'waiting' | 'failed'

export interface Step {
  type: string
  label: string
  state: StepState
  /** The platform's word on it. */
  message?: string
  /** When it became what it is. */
  at?: string
}

/** The way of a session to where one can work in it, in the order of the conditions. */
const STEPS = ['TemplateResolved', 'Admitted', 'HomeReady', 'WorkloadReady', 'Reachable'] as const

/**
 * The start of a session as steps: all before the first that is not true are done, that one is being worked on. Of a start
 * that failed the server tells no more of what went well: what it says nothing of before the failure was done.
 */
export function startSteps(session: Session): Step[] {
  const phase = phaseOf(session)
  const found = STEPS.map((type) => conditionOf(session.status?.conditions, type))
  const failedAt = phase === 'Failed' ? found.findIndex((condition) => condition?.status === 'False') : -1
  let reached = true
  return STEPS.map((type, index) => {
    const condition = found[index]
    const done = reached && (condition === undefined ? index < failedAt : condition.status === 'True')
    const current = reached && !done
    reached &&= done
    const state: StepState = done ? 'done' : current ? (phase === 'Failed' ? 'failed' : 'active') : 'waiting'
    return {
      type,
      label: strings.steps[type],
      state,
      ...(state !== 'waiting' && condition?.message ? { message: condition.message } : {}),
      ...(done && condition?.lastTransitionTime ? { at: condition.lastTransitionTime } : {}),
    }
  })
}
