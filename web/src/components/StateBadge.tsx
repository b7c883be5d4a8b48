import type { ReactNode } from 'react'
import type { Phase } from '~/api/types'
import { strings } from '~/strings'
import classes from './StateBadge.module.css'

type Tone = 'ok' | 'busy' | 'warn' | 'bad' | 'rest'

/** A state is a colour, a shape and a word; the shape alone tells them apart without the colour. */
const LOOKS: Record<Phase, { tone: Tone; shape: ReactNode }> = {
  Pending: { tone: 'warn', shape: <circle cx="6" cy="6" r="4" fill="none" strokeDasharray="2.2 2" /> },
  Starting: {
    tone: 'busy',
    shape: (
      <>
        <circle cx="6" cy="6" r="4.2" fill="none" opacity="0.3" />
        <path className={classes.turning} d="M6 1.8a4.2 4.2 0 0 1 4.2 4.2" fill="none" />
      </>
    ),
  },
  Running: { tone: 'ok', shape: <circle cx="6" cy="6" r="4.6" fill="currentColor" stroke="none" /> },
  Hibernating: {
    tone: 'busy',
    shape: <path d="M10 7.3A4.4 4.4 0 1 1 4.9 2 3.6 3.6 0 0 0 10 7.3z" fill="none" />,
  },
  Hibernated: {
    tone: 'rest',
    shape: <path d="M10 7.3A4.4 4.4 0 1 1 4.9 2 3.6 3.6 0 0 0 10 7.3z" fill="currentColor" />,
  },
  Terminating: { tone: 'warn', shape: <rect x="2.2" y="2.2" width="7.6" height="7.6" rx="1" fill="none" /> },
  Terminated: { tone: 'rest', shape: <rect x="2" y="2" width="8" height="8" rx="1" fill="currentColor" stroke="none" /> },
  Failed: {
    tone: 'bad',
    shape: (
      <>
        <path d="M6 .8 11.7 11H.3z" fill="currentColor" stroke="none" />
        <path d="M6 4.6v3M6 9.2v.1" stroke="var(--surface)" strokeLinecap="round" />
      </>
    ),
  },
}

export function StateShape({ phase }: { phase: Phase }) {
  const { tone, shape } = LOOKS[phase]
  return (
    <svg className={classes.shape} data-tone={tone} viewBox="0 0 12 12" aria-hidden="true">
      {shape}
    </svg>
  )
}

/** The state of a session in a word, with its shape. `live` makes screen readers hear changes. */
export function StateBadge({ phase, live = false }: { phase: Phase; live?: boolean }) {
  return (
    <span className={classes.badge} data-tone={LOOKS[phase].tone} {...(live ? { role: 'status' } : {})}>
      <StateShape phase={phase} />
      <span>{strings.phases[phase]}</span>
    </span>
  )
}
