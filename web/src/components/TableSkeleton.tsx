import { Skeleton } from '@mantine/core'
import classes from './TableSkeleton.module.css'

/** As large as a table whose rows are on their way. */
export function TableSkeleton({ rows = 5 }: { rows?: number }) {
  return (
    <div className={classes.frame} aria-hidden="true">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className={classes.row}>
          <Skeleton h={12} w="28%" />
          <Skeleton h={12} w="16%" />
          <Skeleton h={12} w="12%" />
          <Skeleton h={12} w="18%" />
        </div>
      ))}
    </div>
  )
}
