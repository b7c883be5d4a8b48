import { Text } from '@mantine/core'
import type { ReactNode } from 'react'
import classes from './EmptyState.module.css'

interface Props {
  icon: ReactNode
  title: string
  text?: string
  action?: ReactNode
  /** Given where it is all there is on the page: then its title is the page's. */
  heading?: boolean
}

/** What stands where there is nothing, and how to change that. */
export function EmptyState({ icon, title, text, action, heading = false }: Props) {
  return (
    <div className={classes.empty}>
      <div className={classes.icon} aria-hidden="true">
        {icon}
      </div>
      <Text component={heading ? 'h1' : 'p'} fw={600} m={0}>
        {title}
      </Text>
      {text && (
        <Text size="sm" c="dimmed" maw={420}>
          {text}
        </Text>
      )}
      {action && <div className={classes.action}>{action}</div>}
    </div>
  )
}
