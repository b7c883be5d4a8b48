import { useEffect, useReducer } from 'react'
import { answer, api } from '~/api/client'
import { problemOfFailure, type Problem } from '~/api/problem'
import { useLive } from '~/live/LiveProvider'
import type { LogLine, Message } from '~/live/messages'

export interface Logs {
  lines: readonly LogLine[]
  /** How many older lines gave way: with it a line's place has the same number for good. */
  gone: number
  /** Lines that the server left out because this page read too slowly. */
  dropped: number
  ended: boolean
  loading: boolean
  problem?: Problem
}

type Event =
  | { type: 'restart' }
  | { type: 'history'; lines: readonly LogLine[] }
  | { type: 'failed'; problem: Problem }
  | { type: 'lines'; lines: readonly LogLine[]; dropped: number }
  | { type: 'end' }

const EMPTY: Logs = { lines: [], gone: 0, dropped: 0, ended: false, loading: true }
/** Older lines give way: the page shows what is recent, the download has all. */
const MOST_LINES = 2_000
const TAIL = 500

/** The end of a session's log, and new lines as they are written. */
export function useLogs(session: string, workload: string | undefined): Logs {
  const { subscribe } = useLive()
  const [logs, dispatch] = useReducer(reduce, EMPTY)
  useEffect(() => {
    const abort = new AbortController()
    dispatch({ type: 'restart' })
    fetchTail(session, abort.signal).then(
      (lines) => dispatch({ type: 'history', lines }),
      (failure: unknown) => {
        if (!abort.signal.aborted) dispatch({ type: 'failed', problem: problemOfFailure(failure) })
      },
    )
    const stop = workload ? subscribe(`logs/local/${workload}`, (message) => take(message, dispatch)) : undefined
    return () => {
      abort.abort()
      stop?.()
    }
  }, [session, workload, subscribe])
  return logs
}

function take(message: Message, dispatch: (event: Event) => void): void {
  if (message.type === 'log.lines') dispatch({ type: 'lines', lines: message.lines, dropped: message.dropped ?? 0 })
  if (message.type === 'log.end') dispatch({ type: 'end' })
}

function reduce(logs: Logs, event: Event): Logs {
  switch (event.type) {
    case 'restart':
      return EMPTY
    case 'history':
      return { ...logs, loading: false, ...trimmed(logs.gone, join(event.lines, logs.lines)) }
    case 'failed':
      return { ...logs, loading: false, problem: event.problem }
    case 'lines':
      return {
        ...logs,
        ended: false,
        dropped: logs.dropped + event.dropped,
        ...trimmed(logs.gone, join(logs.lines, event.lines)),
      }
    case 'end':
      return { ...logs, ended: true }
  }
}

/** `more` after `lines`. The two overlap where history and feed meet, or the feed begins anew with its own history. */
function join(lines: readonly LogLine[], more: readonly LogLine[]): readonly LogLine[] {
  const last = lines.at(-1)
  if (last === undefined) return more
  const end = sortable(last.time)
  const atEnd = new Set(lines.filter((line) => line.time === last.time).map((line) => line.text))
  const fresh = more.filter(({ time, text }) => {
    const at = sortable(time)
    return at > end || (at === end && !atEnd.has(text))
  })
  return fresh.length === 0 ? lines : [...lines, ...fresh]
}

/** A time as text that sorts as time does: the server leaves out zeros at the end of the fraction. */
function sortable(time: string): string {
  return time.replace(/(?:\.(\d+))?Z$/, (_, fraction: string | undefined) => `.${(fraction ?? '').padEnd(9, '0')}`)
}

function trimmed(gone: number, lines: readonly LogLine[]): Pick<Logs, 'lines' | 'gone'> {
  const surplus = Math.max(0, lines.length - MOST_LINES)
  return { gone: gone + surplus, lines: surplus === 0 ? lines : lines.slice(surplus) }
}

async function fetchTail(id: string, signal: AbortSignal): Promise<LogLine[]> {
  const query = { tail: TAIL, follow: false, timestamps: true }
  const call = api.GET('/api/v1/sessions/{id}/logs', { params: { path: { id }, query }, signal, parseAs: 'text' })
  return parseLog(await answer(call))
}

/** Lines as the API writes them: the time, a space, the text. */
export function parseLog(text: string | undefined): LogLine[] {
  const lines = (text ?? '').split('\n').filter((line) => line !== '')
  return lines.map((line) => {
    const space = line.indexOf(' ')
    return { time: line.slice(0, space), stream: 'stdout', text: line.slice(space + 1) }
  })
}
