import { Text } from '@mantine/core'
import classes from './Meter.module.css'

interface Props {
  label: string
  /** In words: `0.3 of 2 cores`. */
  text: string
  /** Between 0 and 1; absent where there is no limit to measure against. */
  share?: number
}

/** From here on a meter says by its colour that it is nearly full. */
const NEARLY_FULL = 0.9

export function Meter({ label, text, share }: Props) {
  const filled = Math.min(1, Math.max(0, share ?? 0))
  return (
    <div className={classes.meter}>
      <div className={classes.words}>
        <Text span size="xs" c="dimmed">
          {label}
        </Text>
        <Text span size="xs" className={classes.value}>
          {text}
        </Text>
      </div>
      <div
        className={classes.track}
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(filled * 100)}
        aria-valuetext={text}
      >
        {share !== undefined && (
          <div
            className={classes.bar}
            data-full={filled >= NEARLY_FULL || undefined}
            style={{ width: `${filled * 100}%` }}
          />
        )}
      </div>
    </div>
  )
}
