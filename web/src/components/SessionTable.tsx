import { Table, UnstyledButton } from '@mantine/core'
import { IconArrowDown, IconArrowUp, IconArrowsSort } from '@tabler/icons-react'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { Link } from '@tanstack/react-router'
import { memo, useCallback, useLayoutEffect, useRef, useState } from 'react'
import { formatBytes, formatCores } from '~/lib/quantity'
import { inOrderOf, type Row, type Sort, type SortKey } from '~/lib/sessionTable'
import { strings } from '~/strings'
import { IdleText } from './IdleText'
import { SessionMenu } from './SessionMenu'
import classes from './SessionTable.module.css'
import { StateBadge } from './StateBadge'
import { TemplateIcon } from './TemplateIcon'
import { RelativeTime } from './Time'
import { useTint } from './useTint'

interface Props {
  rows: readonly Row[]
  sort: Sort
  selected: ReadonlySet<string>
  /** Whether the sessions of several people are shown. */
  people: boolean
  onSort: (key: SortKey) => void
  onSelect: (name: string, on: boolean) => void
  onSelectAll: (on: boolean) => void
}

const ROW_HEIGHT = 56
const OVERSCAN = 8
const words = strings.sessions

/** Widths are fixed, so that columns do not move while rows come and go; the name takes what is left. */
const COLUMNS: { key: SortKey; label: string; width?: number; people?: true; narrow?: true }[] = [
  { key: 'name', label: words.name, narrow: true },
  { key: 'state', label: words.state, width: 145 },
  { key: 'user', label: words.person, width: 110, people: true },
  { key: 'template', label: words.template, width: 130 },
  { key: 'idle', label: words.idle, width: 125 },
  { key: 'usage', label: words.usage, width: 100 },
  { key: 'created', label: words.created, width: 145 },
]

/** A live table of any length: rows change in place, and none moves while the pointer is on them. */
export function SessionTable({ rows, sort, selected, people, onSort, onSelect, onSelectAll }: Props) {
  const shown = useCalmOrder(rows, sort)
  const body = useRef<HTMLTableSectionElement>(null)
  const [offset, setOffset] = useState(0)
  useLayoutEffect(() => {
    setOffset((body.current?.getBoundingClientRect().top ?? 0) + window.scrollY)
  }, [])
  const virtual = useWindowVirtualizer({
    count: shown.rows.length,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
    scrollMargin: offset,
    getItemKey: (index) => shown.rows[index]?.name ?? index,
  })
  const items = virtual.getVirtualItems()
  const before = (items[0]?.start ?? offset) - offset
  const after = virtual.getTotalSize() - ((items.at(-1)?.end ?? offset) - offset)
  const selectable = rows.filter((row) => row.changeable).length
  const columns = COLUMNS.filter((column) => !column.people || people)
  return (
    <div className={classes.frame} onPointerEnter={shown.hold} onPointerLeave={shown.release}>
      <Table aria-label={words.title} aria-rowcount={rows.length + 1} className={classes.table} verticalSpacing={0}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={44}>
              <SelectAll
                some={selected.size > 0}
                all={selected.size === selectable}
                disabled={selectable === 0}
                onChange={onSelectAll}
              />
            </Table.Th>
            {columns.map((column) => (
              <SortHeader key={column.key} column={column} sort={sort} onSort={onSort} />
            ))}
            <Table.Th w={52}>
              <span className="visually-hidden">{strings.columns.actions}</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody ref={body}>
          <Spacer height={before} />
          {items.map(({ index }) => {
            const row = shown.rows[index]
            return (
              row && (
                <SessionRow
                  key={row.name}
                  row={row}
                  index={index}
                  people={people}
                  selected={selected.has(row.name)}
                  onSelect={onSelect}
                />
              )
            )
          })}
          <Spacer height={after} />
        </Table.Tbody>
      </Table>
    </div>
  )
}

interface SelectAllProps {
  some: boolean
  all: boolean
  disabled: boolean
  onChange: (on: boolean) => void
}

function SelectAll({ some, all, disabled, onChange }: SelectAllProps) {
  // The state in between exists only as a property of the element.
  const show = useCallback(
    (box: HTMLInputElement | null) => {
      if (box) box.indeterminate = some && !all
    },
    [some, all],
  )
  return (
    <input
      ref={show}
      type="checkbox"
      className={classes.check}
      aria-label={words.selectAll}
      disabled={disabled}
      checked={some && all}
      onChange={(event) => onChange(event.currentTarget.checked)}
    />
  )
}

function Spacer({ height }: { height: number }) {
  if (height <= 0) return null
  return (
    <tr aria-hidden="true">
      <td colSpan={9} style={{ height, padding: 0 }} />
    </tr>
  )
}

interface SortHeaderProps {
  column: (typeof COLUMNS)[number]
  sort: Sort
  onSort: (key: SortKey) => void
}

function SortHeader({ column: { key, label, width, narrow }, sort, onSort }: SortHeaderProps) {
  const direction = sort === key ? 'ascending' : sort === `-${key}` ? 'descending' : 'none'
  const Arrow = direction === 'ascending' ? IconArrowUp : direction === 'descending' ? IconArrowDown : IconArrowsSort
  return (
    <Table.Th
      w={width}
      aria-sort={direction}
      data-narrow={narrow}
      className={key === 'template' ? classes.template : undefined}
    >
      <UnstyledButton className={classes.sort} onClick={() => onSort(key)} data-active={direction !== 'none' || undefined}>
        {label}
        <Arrow size={13} aria-hidden />
      </UnstyledButton>
    </Table.Th>
  )
}

interface RowProps {
  row: Row
  index: number
  people: boolean
  selected: boolean
  onSelect: (name: string, on: boolean) => void
}

/** Plain elements: rows come and go with every scrolled frame, and a component for each cell would show in it. */
const SessionRow = memo(function SessionRow({ row, index, people, selected, onSelect }: RowProps) {
  const { name, title, phase, session, template, activity, changeable, shared } = row
  const tint = useTint(phase)
  return (
    <tr className={classes.row} aria-rowindex={index + 2} data-selected={selected || undefined}>
      <td key={tint} className={tint > 0 ? classes.tinted : undefined}>
        <input
          type="checkbox"
          className={classes.check}
          aria-label={words.select(title)}
          disabled={!changeable}
          checked={selected}
          onChange={(event) => onSelect(name, event.currentTarget.checked)}
        />
      </td>
      <td data-narrow>
        <div className={classes.name}>
          <TemplateIcon template={template} name={session.spec.template} size={30} />
          <div className={classes.names}>
            <Link to="/sessions/$id" params={{ id: name }} className={classes.title}>
              {title}
            </Link>
            <div className={classes.second} title={name}>
              {shared ? strings.sharing.sharedBy(session.spec.user, shared) : name}
            </div>
            <div className={classes.narrowState}>
              <StateBadge phase={phase} />
              {people && <span className={classes.owner}>{session.spec.user}</span>}
            </div>
          </div>
        </div>
      </td>
      <td>
        <StateBadge phase={phase} />
      </td>
      {people && <td className={classes.cut}>{session.spec.user}</td>}
      <td className={classes.template} title={session.spec.template}>
        {template?.spec.displayName ?? session.spec.template}
      </td>
      <td className={classes.cut}>
        <IdleText session={session} activity={activity} />
      </td>
      <td className={classes.cut}>
        <UsageText row={row} />
      </td>
      <td className={classes.cut}>
        <RelativeTime at={session.metadata.creationTimestamp} />
      </td>
      <td data-narrow>
        {changeable && <SessionMenu session={session} template={template} />}
      </td>
    </tr>
  )
}, sameRow)

function sameRow(a: RowProps, b: RowProps): boolean {
  return (
    a.row.session === b.row.session &&
    a.row.template === b.row.template &&
    a.row.activity === b.row.activity &&
    a.row.changeable === b.row.changeable &&
    a.row.shared === b.row.shared &&
    a.index === b.index &&
    a.people === b.people &&
    a.selected === b.selected &&
    a.onSelect === b.onSelect
  )
}

function UsageText({ row: { phase, activity } }: { row: Row }) {
  const usage = activity?.usage
  if (phase !== 'Running' || !usage) return null
  const cores = usage.cpuMillicores / 1000
  return (
    <>
      {strings.session.cores(cores, formatCores(cores))}
      <div className={classes.second}>{formatBytes(usage.memoryBytes)}</div>
    </>
  )
}

/** The order of the rows, held still between `hold` and `release` unless the person asks for another. */
function useCalmOrder(rows: readonly Row[], sort: Sort) {
  const [held, setHeld] = useState<{ names: readonly string[]; sort: Sort }>()
  const calm = held?.sort === sort ? inOrderOf(held.names, rows) : rows
  return {
    rows: calm,
    hold: () => setHeld({ names: rows.map((row) => row.name), sort }),
    release: () => setHeld(undefined),
  }
}
