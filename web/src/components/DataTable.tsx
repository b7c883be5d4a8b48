import { Table } from '@mantine/core'
import type { ReactNode } from 'react'
import classes from './DataTable.module.css'

export interface Column {
  title: string
  /** In pixels, or as a share. */
  width?: number | string
  /** Only where there is room; a phone goes without. */
  wide?: boolean
  /** The title is heard but not seen, as over a column of buttons. */
  unseen?: boolean
}

interface Props {
  label: string
  columns: readonly Column[]
  /** Rows with less air, for those of one line. */
  dense?: boolean
  /** What is shown is about to be replaced. */
  busy?: boolean
  /** The rows. */
  children: ReactNode
}

/** A framed table: its head from `columns`, its rows as they are given. */
export function DataTable({ label, columns, dense = false, busy, children }: Props) {
  return (
    <div className={classes.frame} aria-busy={busy}>
      <Table aria-label={label} className={classes.table} verticalSpacing={dense ? undefined : 'sm'}>
        <Table.Thead>
          <Table.Tr>
            {columns.map(({ title, width, wide, unseen }) => (
              <Table.Th key={title} w={width} data-wide={wide || undefined}>
                {unseen ? <span className="visually-hidden">{title}</span> : title}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{children}</Table.Tbody>
      </Table>
    </div>
  )
}
