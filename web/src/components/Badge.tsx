import type { ReactNode } from 'react'
import classes from './Badge.module.css'

type Tone = 'ok' | 'busy' | 'warn' | 'bad' | 'rest'

/** Colours with shapes; the shape alone tells them apart without the colour. */
const LOOKS = {
  waiting: { tone: 'warn', shape: <circle cx="6" cy="6" r="4" fill="none" strokeDasharray="2.2 2" /> },
  working: {
    tone: 'busy',
    shape: (
      <>
        <circle cx="6" cy="6" r="4.2" fill="none" opacity="0.3" />
        <path className={classes.turning} d="M6 1.8a4.2 4.2 0 0 1 4.2 4.2" fill="none" />
      </>
    ),
  },
  good: { tone: 'ok', shape: <circle cx="6" cy="6" r="4.6" fill="currentColor" stroke="none" /> },
  settling: {
    tone: 'busy',
    shape: <path d="M10 7.3A4.4 4.4 0 1 1 4.9 2 3.6 3.6 0 0 0 10 7.3z" fill="none" />,
  },
  asleep: {
    tone: 'rest',
    shape: <path d="M10 7.3A4.4 4.4 0 1 1 4.9 2 3.6 3.6 0 0 0 10 7.3z" fill="currentColor" />,
  },
  ending: { tone: 'warn', shape: <rect x="2.2" y="2.2" width="7.6" height="7.6" rx="1" fill="none" /> },
  ended: { tone: 'rest', shape: <rect x="2" y="2" width="8" height="8" rx="1" fill="currentColor" stroke="none" /> },
  failed: {
    tone: 'bad',
    shape: (
      <>
        <path d="M6 .8 11.7 11H.3z" fill="currentColor" stroke="none" />
        <path d="M6 4.6v3M6 9.2v.1" stroke="var(--surface)" strokeLinecap="round" />
      </>
    ),
  },
  dead: { tone: 'bad', shape: <path d="M2.4 2.4l7.2 7.2M9.6 2.4 2.4 9.6" fill="none" strokeWidth="2.4" strokeLinecap="round" /> },
} satisfies Record<string, { tone: Tone; shape: ReactNode }>

export type Look = keyof typeof LOOKS

interface Props {
  look: Look
  word: string
  /** Makes screen readers hear changes. */
  live?: boolean
}

/** A state: a colour, a shape and a word. */
export function Badge({ look, word, live = false }: Props) {
  const { tone, shape } = LOOKS[look]
  return (
    <span className={classes.badge} data-tone={tone} {...(live ? { role: 'status' } : {})}>
      <svg className={classes.shape} viewBox="0 0 12 12" aria-hidden="true">
        {shape}
      </svg>
      <span>{word}</span>
    </span>
  )
}
