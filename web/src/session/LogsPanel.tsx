import { Anchor, Group, Skeleton, Switch, Text, TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { memo, useDeferredValue, useState } from 'react'
import { LogBox, LogLine } from '~/components/LogBox'
import { ProblemAlert } from '~/components/ProblemAlert'
import type { LogLine as Written } from '~/live/messages'
import { strings } from '~/strings'
import classes from './LogsPanel.module.css'
import { useLogs } from './useLogs'

const words = strings.drawer
/** The most that the server hands out at once. */
const MOST_LINES = 100_000

/** A session's log as it is written, with search; it scrolls along until the person scrolls back. */
export default function LogsPanel({ name, workload }: { name: string; workload: string | undefined }) {
  const logs = useLogs(name, workload)
  const [search, setSearch] = useState('')
  const needle = useDeferredValue(search.trim().toLocaleLowerCase())
  const [follow, setFollow] = useState(true)
  const shown = needle === '' ? logs.lines : logs.lines.filter(({ text }) => text.toLocaleLowerCase().includes(needle))
  return (
    <>
      <Group gap="sm" wrap="nowrap">
        <TextInput
          type="search"
          size="xs"
          className={classes.search}
          leftSection={<IconSearch size={14} aria-hidden />}
          aria-label={words.searchLogs}
          placeholder={words.searchLogs}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
        <Switch
          size="xs"
          label={words.follow}
          aria-description={words.followText}
          checked={follow}
          onChange={(event) => setFollow(event.currentTarget.checked)}
        />
        <Anchor size="xs" href={`/api/v1/sessions/${encodeURIComponent(name)}/logs?timestamps=true&tail=${MOST_LINES}`} download={`${name}.log`}>
          {words.downloadLog}
        </Anchor>
      </Group>
      {needle !== '' && (
        <Text size="xs" c="dimmed" role="status">
          {words.logMatches(shown.length)}
        </Text>
      )}
      {logs.problem && <ProblemAlert problem={logs.problem} />}
      {logs.loading && <Skeleton h={200} />}
      {!logs.loading && !logs.problem && logs.lines.length === 0 && <Text size="sm">{words.noLogs}</Text>}
      <LogBox label={words.logLabel} className={classes.lines} announced={false} of={shown} follow={follow} onFollow={setFollow}>
        {shown.map((line, index) => (
          // By number, so that lines keep their place while older ones go.
          <Line key={(needle === '' ? logs.gone : 0) + index} line={line} needle={needle} />
        ))}
      </LogBox>
      {logs.dropped > 0 && (
        <Text size="xs" c="var(--state-warn)">
          {words.dropped(logs.dropped)}
        </Text>
      )}
      {logs.ended && (
        <Text size="xs" c="dimmed">
          {words.logEnd}
        </Text>
      )}
    </>
  )
}

const Line = memo(function Line({ line, needle }: { line: Written; needle: string }) {
  return (
    <LogLine time={line.time} kind={line.stream}>
      {marked(line.text, needle)}
    </LogLine>
  )
})

/** The first place where a line holds what is searched for stands out. */
function marked(text: string, needle: string) {
  const at = needle === '' ? -1 : text.toLocaleLowerCase().indexOf(needle)
  if (at === -1) return text
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + needle.length)}</mark>
      {text.slice(at + needle.length)}
    </>
  )
}
