import { Anchor, Group, Skeleton, Switch, Text, TextInput } from '@mantine/core'
import { IconSearch } from '@tabler/icons-react'
import { memo, useDeferredValue, useLayoutEffect, useRef, useState } from 'react'
import { ProblemAlert } from '~/components/ProblemAlert'
import type { LogLine } from '~/live/messages'
import { formatClock, formatExact, parseTime } from '~/lib/time'
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
      <Lines lines={shown} first={needle === '' ? logs.gone : 0} needle={needle} follow={follow} onFollow={setFollow} />
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

interface LinesProps {
  lines: readonly LogLine[]
  /** The number of the first line, so that lines keep their place while older ones go. */
  first: number
  needle: string
  follow: boolean
  onFollow: (follow: boolean) => void
}

/** Nearer to the end than this counts as being there. */
const NEAR_PX = 24

function Lines({ lines, first, needle, follow, onFollow }: LinesProps) {
  const box = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [lines, follow])
  const scrolled = () => {
    if (!box.current) return
    const { scrollTop, scrollHeight, clientHeight } = box.current
    onFollow(scrollHeight - scrollTop - clientHeight < NEAR_PX)
  }
  return (
    <div
      ref={box}
      className={classes.lines}
      role="log"
      aria-label={words.logLabel}
      aria-live="off"
      tabIndex={0}
      onScroll={scrolled}
    >
      {lines.map((line, index) => (
        <Line key={first + index} line={line} needle={needle} />
      ))}
    </div>
  )
}

const Line = memo(function Line({ line, needle }: { line: LogLine; needle: string }) {
  const at = parseTime(line.time)
  return (
    <div className={classes.line} data-stream={line.stream}>
      {at !== undefined && (
        <time className={classes.time} dateTime={line.time} title={formatExact(at)}>
          {formatClock(at)}
        </time>
      )}
      <span className={classes.text}>{marked(line.text, needle)}</span>
    </div>
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
