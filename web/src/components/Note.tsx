import { Text } from '@mantine/core'
import { IconInfoCircle } from '@tabler/icons-react'
import { useId, type ReactNode } from 'react'
import classes from './ProblemAlert.module.css'

interface Props {
  title: string
  text?: string | undefined
  /** What can be done about it. */
  children?: ReactNode
}

/** Something that somebody should know of; not a failure of what they just did. */
export function Note({ title, text, children }: Props) {
  const id = useId()
  return (
    <section className={classes.alert} data-tone="warn" aria-labelledby={id}>
      <IconInfoCircle size={18} aria-hidden className={classes.icon} />
      <div className={classes.words}>
        <Text id={id} size="sm" fw={600}>
          {title}
        </Text>
        {text && <Text size="sm">{text}</Text>}
        {children && <div className={classes.action}>{children}</div>}
      </div>
    </section>
  )
}
