import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { useLive, useLiveStatus } from '~/live/LiveProvider'
import { strings } from '~/strings'
import { watchAccess, type ClipboardAccess } from './clipboard'
import { DesktopLink, type DesktopState } from './desktopLink'
import type { PictureQuality } from './quality'
import classes from './DesktopViewer.module.css'

/** What the bar can do with the desktop that is being shown. */
export interface DesktopHandle {
  link: DesktopLink
  state: DesktopState
  access: ClipboardAccess
}

interface Props {
  session: string
  /** This tab's connection, which the screen's socket belongs to. */
  connectionId: string
  title: string
  quality: PictureQuality
  /** Only look on. */
  viewOnly: boolean
  /** Milliseconds, for the automatic quality. */
  roundTrip: number | undefined
  /** Called with the desktop and at each change of it; with nothing when it goes. */
  onHandle: (handle: DesktopHandle | undefined) => void
}

/** A desktop session's screen, filling the space it is given. */
export default function DesktopViewer(props: Props) {
  const screen = useRef<HTMLDivElement>(null)
  const still = useRef<HTMLCanvasElement>(null)
  const [link, setLink] = useState<DesktopLink>()
  useEffect(() => {
    if (!screen.current || !still.current) return
    const made = new DesktopLink(screen.current, still.current)
    setLink(made)
    return () => {
      made.stop()
      setLink(undefined)
    }
  }, [])
  return (
    <div className={classes.viewer} data-window>
      <div
        ref={screen}
        className={classes.screen}
        role="application"
        aria-label={strings.viewer.screen(props.title)}
        aria-description={strings.viewer.wayOut}
      />
      <canvas ref={still} className={classes.still} data-shown="false" aria-hidden="true" />
      {link && <Overlay {...props} link={link} />}
    </div>
  )
}

function Overlay({ link, session, connectionId, quality, viewOnly, roundTrip, onHandle }: Props & { link: DesktopLink }) {
  const state = useSyncExternalStore(link.listen, () => link.state)
  const [access, setAccess] = useState<ClipboardAccess>('unavailable')
  useEffect(() => watchAccess(setAccess), [])
  useEffect(
    () => link.open(socketUrl(session, connectionId, viewOnly), viewOnly),
    [link, session, connectionId, viewOnly],
  )
  useEffect(() => link.setAccess(access), [link, access])
  useEffect(() => link.setQuality(quality, roundTrip), [link, quality, roundTrip])
  useEffect(() => onHandle({ link, state, access }), [link, state, access, onHandle])
  useEffect(() => () => onHandle(undefined), [onHandle])
  useSharedFate(link, state)
  return (
    <div className={classes.message} role="status">
      {state.phase !== 'connected' && (
        <span className={classes.pill}>
          {state.phase === 'connecting' ? strings.viewer.connecting : strings.viewer.reconnecting}
        </span>
      )}
    </div>
  )
}

/** The page's feed and the desktop come through the same network: what one learns of it helps the other. */
function useSharedFate(link: DesktopLink, { phase }: DesktopState): void {
  const { retryNow } = useLive()
  const feed = useLiveStatus().state
  useEffect(() => {
    if (feed === 'open') link.retryNow()
  }, [feed, link])
  useEffect(() => {
    if (phase === 'connected') retryNow()
  }, [phase, retryNow])
}

function socketUrl(session: string, connectionId: string, viewOnly: boolean): string {
  const url = new URL(`/api/v1/sessions/${encodeURIComponent(session)}/vnc`, location.href)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  url.searchParams.set('connectionId', connectionId)
  if (viewOnly) url.searchParams.set('view', 'true')
  return url.href
}
