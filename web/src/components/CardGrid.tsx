import { useElementSize, useMergedRef } from '@mantine/hooks'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { useLayoutEffect, useRef, useState, type ReactNode } from 'react'
import classes from './CardGrid.module.css'

interface Props<Item> {
  label: string
  items: readonly Item[]
  keyOf: (item: Item) => string
  children: (item: Item) => ReactNode
}

/** As in `layout.module.css`, where cards stand that are few. */
const LEAST_WIDTH = 300
const GAP = 16
const USUAL_HEIGHT = 192
const OVERSCAN = 3

/** Cards in as many columns as fit. Only the rows near the window exist, so that a thousand cards cost what thirty do. */
export function CardGrid<Item>({ label, items, keyOf, children }: Props<Item>) {
  const { ref: sizeRef, width } = useElementSize()
  const box = useRef<HTMLDivElement>(null)
  const ref = useMergedRef(sizeRef, box)
  const [offset, setOffset] = useState(0)
  useLayoutEffect(() => {
    setOffset((box.current?.getBoundingClientRect().top ?? 0) + window.scrollY)
  }, [])
  const columns = Math.max(1, Math.floor((width + GAP) / (LEAST_WIDTH + GAP)))
  const rows = Math.ceil(items.length / columns)
  const virtual = useWindowVirtualizer({
    count: rows,
    estimateSize: () => USUAL_HEIGHT,
    gap: GAP,
    overscan: OVERSCAN,
    scrollMargin: offset,
    // A row is what stands in it: its measured height goes with it when the list changes.
    getItemKey: (row) => items.slice(row * columns, (row + 1) * columns).map(keyOf).join(' '),
  })
  const shown = virtual.getVirtualItems()
  return (
    <div ref={ref} role="list" aria-label={label} className={classes.grid} style={{ height: virtual.getTotalSize() }}>
      {shown.map(({ key, index, start }) => (
        <div
          key={key}
          ref={virtual.measureElement}
          role="presentation"
          data-index={index}
          className={classes.row}
          style={{ gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`, top: start - offset }}
        >
          {items.slice(index * columns, (index + 1) * columns).map((item, column) => (
            <div
              key={keyOf(item)}
              role="listitem"
              aria-setsize={items.length}
              aria-posinset={index * columns + column + 1}
              className={classes.cell}
            >
              {children(item)}
            </div>
          ))}
        </div>
      ))}
    </div>
  )
}
