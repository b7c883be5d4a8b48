import { Code, Table, Text, UnstyledButton } from '@mantine/core'
import { IconCheck, IconChevronRight, IconX } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Fragment, useState } from 'react'
import { AUDIT_PAGE_SIZE, auditQuery } from '~/api/queries'
import type { AuditEntry } from '~/api/types'
import { strings } from '~/strings'
import { DataTable } from './DataTable'
import classes from './DataTable.module.css'
import { Pages } from './Pages'
import { ProblemAlert } from './ProblemAlert'
import { TableSkeleton } from './TableSkeleton'
import { RelativeTime } from './Time'

interface Props {
  /** Only what concerns oneself, shorter. */
  own?: boolean
  /** Only what this person did. */
  actor?: string
  search?: string
  page?: number
  onPage?: (page: number) => void
}

const words = strings.audit
const OWN_ROWS = 10

/** What was done, by whom, on what and with which result; newest first. */
export function AuditTable({ own = false, actor, search = '', page = 1, onPage }: Props) {
  const { data, error, isPending, isPlaceholderData, refetch } = useQuery({
    ...auditQuery(page, search, actor),
    placeholderData: keepPreviousData,
  })
  if (isPending) return <TableSkeleton rows={own ? 3 : 8} />
  if (error) return <ProblemAlert problem={error} onRetry={() => void refetch()} />
  const entries = own ? data.items.slice(0, OWN_ROWS) : data.items
  if (entries.length === 0) return <Text size="sm">{words.empty}</Text>
  const pages = Math.max(1, Math.ceil(data.total / AUDIT_PAGE_SIZE))
  return (
    <>
      <DataTable
        label={own ? strings.profile.own : words.title}
        dense
        busy={isPlaceholderData}
        columns={[
          { title: words.time },
          { title: words.actor },
          { title: words.action },
          { title: words.target, wide: true },
          { title: words.result, wide: true },
          { title: words.address, wide: true },
        ]}
      >
        {entries.map((entry) => (
          <EntryRow key={entry.id} entry={entry} />
        ))}
      </DataTable>
      {!own && <Pages page={page} pages={pages} onPage={(next) => onPage?.(next)} />}
    </>
  )
}

/** Words that are joined by dots and slashes, which may be broken there. */
function breakable(text: string) {
  return text.split(/(?<=[./])/).map((part, at) => (
    <Fragment key={at}>
      {at > 0 && <wbr />}
      {part}
    </Fragment>
  ))
}

function EntryRow({ entry }: { entry: AuditEntry }) {
  const [open, setOpen] = useState(false)
  const failed = !/^(ok|success|allowed|2\d\d)/i.test(entry.result)
  return (
    <Fragment>
      <Table.Tr>
        <Table.Td className={classes.time}>
          <UnstyledButton
            className={classes.toggle}
            aria-expanded={open}
            aria-label={words.show}
            onClick={() => setOpen(!open)}
          >
            <IconChevronRight size={14} aria-hidden />
          </UnstyledButton>
          <RelativeTime at={entry.time} />
        </Table.Td>
        <Table.Td>{entry.actor}</Table.Td>
        <Table.Td>
          <code className={classes.code}>{breakable(entry.action)}</code>
          <div className={classes.narrow}>
            {breakable(entry.target ?? '')} {failed && <Result failed={failed} result={entry.result} />}
          </div>
        </Table.Td>
        <Table.Td data-wide>{entry.target}</Table.Td>
        <Table.Td data-wide>
          <Result failed={failed} result={entry.result} />
        </Table.Td>
        <Table.Td data-wide>{entry.address}</Table.Td>
      </Table.Tr>
      {open && (
        <Table.Tr>
          <Table.Td colSpan={6}>
            <EntryDetails entry={entry} />
          </Table.Td>
        </Table.Tr>
      )}
    </Fragment>
  )
}

/** A colour, a shape and a word. */
function Result({ failed, result }: { failed: boolean; result: string }) {
  const Mark = failed ? IconX : IconCheck
  return (
    <span className={classes.result} data-failed={failed || undefined}>
      <Mark size={14} stroke={2.5} aria-hidden />
      {result}
    </span>
  )
}

function EntryDetails({ entry: { before, after, requestId, time, address } }: { entry: AuditEntry }) {
  return (
    <div className={classes.details}>
      <Text size="xs" c="dimmed">
        {[time, address && `${words.address} ${address}`, requestId && `${words.request} ${requestId}`]
          .filter(Boolean)
          .join(' · ')}
      </Text>
      {before !== undefined && before !== null && <Json label={words.before} value={before} />}
      {after !== undefined && after !== null && <Json label={words.after} value={after} />}
    </div>
  )
}

function Json({ label, value }: { label: string; value: unknown }) {
  return (
    <div>
      <Text size="xs" fw={600}>
        {label}
      </Text>
      <Code block>{JSON.stringify(value, null, 2)}</Code>
    </div>
  )
}
