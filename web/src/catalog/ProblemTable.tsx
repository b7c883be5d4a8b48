import { Table, Text } from '@mantine/core'
import { IconAlertTriangle, IconArrowBarRight, IconX, type Icon } from '@tabler/icons-react'
import type { ManifestProblem } from '~/api/types'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { strings } from '~/strings'
import classes from './ProblemTable.module.css'

const words = strings.repositories

interface Props {
  label: string
  text: string
  problems: readonly ManifestProblem[]
}

const MARKS: Record<ManifestProblem['level'], Icon> = {
  error: IconX,
  warning: IconAlertTriangle,
  skipped: IconArrowBarRight,
}

/** What is wrong with files: the file, the place in it, what it means, and how to mend it. */
export function ProblemTable({ label, text, problems }: Props) {
  return (
    <>
      <Text size="sm" c="dimmed" mb="sm">
        {text}
      </Text>
      <DataTable
        label={label}
        columns={[
          { title: words.place, width: '34%' },
          { title: words.advice },
        ]}
      >
        {problems.map((problem, index) => (
          <ProblemRow key={index} problem={problem} />
        ))}
      </DataTable>
    </>
  )
}

function ProblemRow({ problem: { file, line, column, level, message } }: { problem: ManifestProblem }) {
  const Mark = MARKS[level]
  return (
    <Table.Tr>
      <Table.Td>
        <code className={`${table.code} ${classes.file}`}>{file}</code>
        <Text size="xs" c="dimmed">
          {words.line(line, column)}
        </Text>
      </Table.Td>
      <Table.Td>
        <span className={classes.level} data-level={level}>
          <Mark size={14} stroke={2.5} aria-hidden />
          {words.levels[level]}
        </span>
        <Text size="sm" className={table.message}>
          {message}
        </Text>
      </Table.Td>
    </Table.Tr>
  )
}
