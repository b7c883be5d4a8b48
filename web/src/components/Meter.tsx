import { Text } from '@mantine/core'
import classes from './Meter.module.css'

interface Props {
  label: string
  /** In words: `0.3 of 2 cores`. */
  text: string
  /** Between 0 and 1; absent where there is no limit to measure against. */
  share?: number | undefined
  /** Between 0 and 1: what is kept for somebody, whether it is used or not; drawn behind. */
  kept?: number | undefined
  /** All in one line, for cards. */
  inline?: boolean
  /** Where being full is the aim, not a danger. */
  calm?: boolean
}

/** From here on a meter says by its colour that it is nearly full. */
const NEARLY_FULL = 0.9

export function Meter({ label, text, share, kept, inline = false, calm = false }: Props) {
  const filled = Math.min(1, Math.max(0, share ?? 0))
  return (
    <div className={classes.meter} data-inline={inline || undefined}>
      <div className={classes.words}>
        <Text span size="xs" c="dimmed" className={classes.label}>
          {label}
        </Text>
        <Text span size="xs" className={classes.value}>
          {text}
        </Text>
      </div>
      <div
        className={classes.track}
        role={calm ? 'progressbar' : 'meter'}
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        // How far it is, is not known.
        aria-valuenow={calm && share === undefined ? undefined : Math.round(filled * 100)}
        aria-valuetext={text}
      >
        {kept !== undefined && <div className={classes.kept} style={{ width: `${Math.min(1, Math.max(0, kept)) * 100}%` }} />}
        {share !== undefined && (
          <div
            className={classes.bar}
            data-full={(!calm && filled >= NEARLY_FULL) || undefined}
            style={{ width: `${filled * 100}%` }}
          />
        )}
      </div>
    </div>
  )
}
