import { useLayoutEffect, useRef, type ReactNode } from 'react'
import { formatClock, formatExact, parseTime } from '~/lib/time'
import classes from './LogBox.module.css'

interface BoxProps {
  label: string
  /** Extra room rules. */
  className: string | undefined
  /** Whether its lines are read out as they come. */
  announced: boolean
  /** What the lines are made of: the box scrolls when it is another. */
  of: unknown
  /** Whether it scrolls along at the end. */
  follow: boolean
  /** Called when the person scrolls to the end, or away from it. */
  onFollow: (follow: boolean) => void
  /** The lines. */
  children: ReactNode
}

/** Nearer to the end than this counts as being there. */
const NEAR_PX = 24

/** A log that is still written; it scrolls along as long as the person is at its end. */
export function LogBox({ label, className, announced, of, follow, onFollow, children }: BoxProps) {
  const box = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [of, follow])
  const scrolled = () => {
    if (!box.current) return
    const { scrollTop, scrollHeight, clientHeight } = box.current
    onFollow(scrollHeight - scrollTop - clientHeight < NEAR_PX)
  }
  return (
    <div
      ref={box}
      className={`${classes.lines} ${className ?? ''}`}
      role="log"
      aria-label={label}
      aria-live={announced ? undefined : 'off'}
      tabIndex={0}
      onScroll={scrolled}
    >
      {children}
    </div>
  )
}

interface LineProps {
  time: string
  /** What kind of line it is; some have a colour. */
  kind: string
  children: ReactNode
}

export function LogLine({ time, kind, children }: LineProps) {
  const at = parseTime(time)
  return (
    <div className={classes.line} data-kind={kind}>
      {at !== undefined && (
        <time className={classes.time} dateTime={time} title={formatExact(at)}>
          {formatClock(at)}
        </time>
      )}
      <span className={classes.text}>{children}</span>
    </div>
  )
}
