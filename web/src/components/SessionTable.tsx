import { Checkbox, Table, Text, UnstyledButton } from '@mantine/core'
import { IconArrowDown, IconArrowUp, IconArrowsSort } from '@tabler/icons-react'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { Link } from '@tanstack/react-router'
import { memo, useLayoutEffect, useRef, useState } from 'react'
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

const COLUMNS: { key: SortKey; label: string; people?: true; narrow?: true }[] = [
  { key: 'name', label: words.name, narrow: true },
  { key: 'state', label: words.state, narrow: true },
  { key: 'user', label: words.person, people: true },
  { key: 'template', label: words.template },
  { key: 'idle', label: words.idle },
  { key: 'usage', label: words.usage },
  { key: 'created', label: words.created },
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
  const columns = COLUMNS.filter((column) => !column.people || people)
  return (
    <div className={classes.frame} onPointerEnter={shown.hold} onPointerLeave={shown.release}>
      <Table aria-label={words.title} aria-rowcount={rows.length + 1} className={classes.table} verticalSpacing={0}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={44}>
              <Checkbox
                size="xs"
                aria-label={words.selectAll}
                checked={selected.size > 0 && selected.size === rows.length}
                indeterminate={selected.size > 0 && selected.size < rows.length}
                onChange={(event) => onSelectAll(event.currentTarget.checked)}
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

function SortHeader({ column: { key, label, narrow }, sort, onSort }: SortHeaderProps) {
  const direction = sort === key ? 'ascending' : sort === `-${key}` ? 'descending' : 'none'
  const Arrow = direction === 'ascending' ? IconArrowUp : direction === 'descending' ? IconArrowDown : IconArrowsSort
  return (
    <Table.Th
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

const SessionRow = memo(function SessionRow({ row, index, people, selected, onSelect }: RowProps) {
  const { name, title, phase, session, template, activity } = row
  const tint = useTint(phase)
  return (
    <Table.Tr className={classes.row} aria-rowindex={index + 2} data-selected={selected || undefined}>
      <Table.Td key={tint} className={tint > 0 ? classes.tinted : undefined}>
        <Checkbox
          size="xs"
          aria-label={words.select(title)}
          checked={selected}
          onChange={(event) => onSelect(name, event.currentTarget.checked)}
        />
      </Table.Td>
      <Table.Td data-narrow>
        <div className={classes.name}>
          <TemplateIcon template={template} name={session.spec.template} size={30} />
          <div className={classes.names}>
            <Link to="/sessions/$id" params={{ id: name }} className={classes.title}>
              {title}
            </Link>
            <Text size="xs" c="dimmed" truncate title={name}>
              {name}
            </Text>
          </div>
        </div>
      </Table.Td>
      <Table.Td data-narrow>
        <StateBadge phase={phase} />
      </Table.Td>
      {people && <Table.Td>{session.spec.user}</Table.Td>}
      <Table.Td className={classes.template}>{template?.spec.displayName ?? session.spec.template}</Table.Td>
      <Table.Td className={classes.figures}>
        <IdleText session={session} activity={activity} />
      </Table.Td>
      <Table.Td className={classes.figures}>
        <UsageText row={row} />
      </Table.Td>
      <Table.Td className={classes.figures}>
        <RelativeTime at={session.metadata.creationTimestamp} />
      </Table.Td>
      <Table.Td data-narrow>
        <SessionMenu session={session} template={template} />
      </Table.Td>
    </Table.Tr>
  )
}, sameRow)

function sameRow(a: RowProps, b: RowProps): boolean {
  return (
    a.row.session === b.row.session &&
    a.row.template === b.row.template &&
    a.row.activity === b.row.activity &&
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
      <Text span display="block" size="xs" c="dimmed">
        {formatBytes(usage.memoryBytes)}
      </Text>
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
