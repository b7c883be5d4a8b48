import { useQueryClient } from '@tanstack/react-query'
import { createContext, use, useLayoutEffect, useState, useSyncExternalStore, type ReactNode } from 'react'
import { answer, api, noteRevisions } from '~/api/client'
import { keys } from '~/api/keys'
import { Problem } from '~/api/problem'
import { announce } from '~/lib/notices'
import { parseTime } from '~/lib/time'
import { noteUsage } from '~/lib/usageHistory'
import { applyMessage, feedsAsked, feedsLost } from './cache'
import type { WarningMessage } from './messages'
import { noteServerTime } from './serverTime'
import { LiveSocket, type LiveStatus } from './socket'

const LiveContext = createContext<LiveSocket | undefined>(undefined)

const FEED = '/api/v1/ws/events'
const TOPICS = ['sessions', 'templates', 'notifications'] as const

/** What is there already each page fetches as far as it shows it, which is less than everything, and compressed. */
const BEGIN = 'sessions:latest,templates:latest'

/** Resolves when the server gives any answer of its own: whatever it says, it is there. */
async function isThere(): Promise<void> {
  await answer(api.GET('/api/v1/system')).catch((failure: unknown) => {
    if (!(failure instanceof Problem) || failure.passing) throw failure
  })
}

/** Opens the tab's one socket while mounted, and writes what it brings into the query cache. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient()
  const [socket] = useState(
    () =>
      new LiveSocket({
        path: FEED,
        topics: TOPICS,
        begin: BEGIN,
        onMessage: (message) => {
          if (message.type === 'session.activity') {
            noteServerTime(message.time)
            noteUsage(message.activity, parseTime(message.time) ?? Date.now())
          }
          if (message.type === 'session.warning') announce(message)
          // What was warned of while this page was not there, and still holds.
          if (message.type === 'snapshot' && message.topic === 'notifications')
            for (const warning of message.items as WarningMessage[]) announce(warning)
          noteRevisions(message.cursor)
          applyMessage(client, message)
        },
        probe: isThere,
        onDoubt: () => void client.invalidateQueries({ queryKey: keys.me }),
      }),
  )

  // Before the effects of what is below, so that lists know that a feed is on its way.
  useLayoutEffect(() => {
    const stopListening = socket.listen(() => {
      if (socket.status.state === 'connecting') feedsAsked(client)
      if (socket.status.state === 'lost') feedsLost(client)
      if (socket.status.state === 'open') void client.invalidateQueries({ queryKey: keys.activity })
    })
    socket.start()
    return () => {
      stopListening()
      socket.stop()
      feedsLost(client)
    }
  }, [socket, client])

  return <LiveContext value={socket}>{children}</LiveContext>
}

function useSocket(): LiveSocket {
  const socket = use(LiveContext)
  if (!socket) throw new Error('useLive needs a LiveProvider above it')
  return socket
}

export function useLiveStatus(): LiveStatus {
  const socket = useSocket()
  return useSyncExternalStore(socket.listen, () => socket.status)
}

/** The socket's own means: try again now; read a topic. */
export function useLive(): Pick<LiveSocket, 'retryNow' | 'subscribe'> {
  return useSocket()
}
