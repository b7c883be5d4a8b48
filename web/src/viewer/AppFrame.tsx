import { Button, Skeleton } from '@mantine/core'
import { IconExternalLink } from '@tabler/icons-react'
import { EmptyState } from '~/components/EmptyState'
import { canFrame } from '~/lib/platform'
import { strings } from '~/strings'
import classes from './AppFrame.module.css'
import { listenForLeaving } from './leave'

interface Props {
  title: string
  /** The entry to the app's own origin; it works once, so a new one loads the app anew. */
  url: string | undefined
  onOpenAlone: () => void
}

/** The app may do what apps do, but never lead this page away. */
const SANDBOX = [
  'allow-scripts',
  'allow-same-origin',
  'allow-forms',
  'allow-modals',
  'allow-popups',
  'allow-popups-to-escape-sandbox',
  'allow-downloads',
  'allow-pointer-lock',
].join(' ')

function watch(frame: HTMLIFrameElement | null) {
  return frame ? listenForLeaving(frame) : undefined
}

/** A web app or terminal on its own origin, in a frame; or the way to a tab of its own where a frame cannot work. */
export function AppFrame({ title, url, onOpenAlone }: Props) {
  if (!canFrame()) {
    return (
      <EmptyState
        icon={<IconExternalLink size={24} stroke={1.6} />}
        title={title}
        text={strings.viewer.mustOpenAlone}
        action={<Button onClick={onOpenAlone}>{strings.viewer.openAloneAction}</Button>}
      />
    )
  }
  if (url === undefined) return <Skeleton className={classes.frame} data-window radius={0} />
  return (
    <iframe
      data-window
      key={url}
      ref={watch}
      className={classes.frame}
      src={url}
      title={strings.viewer.frameTitle(title)}
      aria-description={strings.viewer.wayOut}
      sandbox={SANDBOX}
      allow="clipboard-read; clipboard-write; fullscreen"
      referrerPolicy="no-referrer"
    />
  )
}
