import { Loader } from '@mantine/core'
import { lazy, Suspense, useCallback, useEffect, useState } from 'react'
import type { Session, Template } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { part } from '~/lib/part'
import { isDesktop } from '~/lib/session'
import { strings } from '~/strings'
import { AppFrame } from '~/viewer/AppFrame'
import type { PictureQuality } from '~/viewer/quality'
import type { DesktopHandle } from '~/viewer/DesktopViewer'
import { openAlone } from '~/viewer/openAlone'
import { mayPass } from '~/viewer/connectionKeeper'
import { useConnection } from '~/viewer/useConnection'

const DesktopViewer = lazy(() => part(() => import('~/viewer/DesktopViewer')))

/** What the bar shows of the window below it. */
export interface StageState {
  desktop?: DesktopHandle
  /** Milliseconds. */
  roundTrip?: number
}

interface Props {
  session: Session
  /** Unknown while it is loaded, or when it was removed: then the connection's address tells the kind of window. */
  template: Template | undefined
  title: string
  quality: PictureQuality
  /** Only look on; for a desktop. */
  viewOnly: boolean
  roundTrip: number | undefined
  onState: (state: StageState) => void
}

/** The window of a running session: a desktop's screen, or a web app in its frame. */
export function Stage({ session, template, title, quality, viewOnly, roundTrip, onState }: Props) {
  const { name } = session.metadata
  const { connection, problem, roundTrip: measured, reconnect } = useConnection(name)
  const [desktop, setDesktop] = useState<DesktopHandle>()
  useEffect(() => {
    onState({ ...(desktop && { desktop }), ...(measured !== undefined && { roundTrip: measured }) })
  }, [desktop, measured, onState])
  useEffect(() => () => onState({}), [onState])
  const alone = useCallback(() => void openAlone(name), [name])
  const waiting = <Loader role="img" aria-label={strings.viewer.connecting} />
  const desktopHere = template ? isDesktop(template) : connection && leadsHere(connection.url)
  if (problem && !mayPass(problem)) return <ProblemAlert problem={problem} onRetry={() => void reconnect()} />
  if (desktopHere === undefined) return waiting
  if (!connection && desktopHere) return waiting
  if (!connection || !desktopHere) return <AppFrame title={title} url={connection?.url} onOpenAlone={alone} />
  return (
    <Suspense fallback={waiting}>
      <DesktopViewer
        session={name}
        connectionId={connection.connectionId}
        title={title}
        quality={quality}
        viewOnly={viewOnly}
        roundTrip={roundTrip}
        onHandle={setDesktop}
      />
    </Suspense>
  )
}

/** The server sends desktops to this very page, everything else to an origin of its own. */
function leadsHere(url: string): boolean {
  return new URL(url, location.href).origin === location.origin
}
