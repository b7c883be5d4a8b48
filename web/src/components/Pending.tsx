import { Loader } from '@mantine/core'
import { strings } from '~/strings'
import classes from './Pending.module.css'

/** While a page is on its way for longer than one would notice. */
export function Pending() {
  return (
    <div className={classes.pending} role="status">
      <Loader size="sm" aria-hidden />
      <span className="visually-hidden">{strings.loading}</span>
    </div>
  )
}
