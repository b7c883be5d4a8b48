import { ActionIcon, Button, Menu, Tooltip } from '@mantine/core'
import {
  IconDotsVertical,
  IconExternalLink,
  IconEye,
  IconLayoutSidebarRight,
  IconMaximize,
  IconMinimize,
  IconMoon,
  IconPencil,
  IconRefresh,
  IconTrash,
  IconUser,
  IconUserPlus,
} from '@tabler/icons-react'
import { Link, useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useState, type KeyboardEvent } from 'react'
import { useMe } from '~/api/hooks'
import logo from '~/assets/icon.svg'
import type { Activity, Session, Template } from '~/api/types'
import { DeleteDialog } from '~/components/DeleteDialog'
import { RenameDialog } from '~/components/RenameDialog'
import { StateBadge } from '~/components/StateBadge'
import { useSessionActions } from '~/components/useSessionActions'
import { mayChange, mayDelete, mayShare, mayShareAll, mayWake, mayWork } from '~/lib/permissions'
import { part } from '~/lib/part'
import { canStop, canWake, phaseOf, titleOf } from '~/lib/session'
import { strings } from '~/strings'
import { OVERLAYS_ID } from '~/theme'
import { levelsOf, type PictureQuality } from '~/viewer/quality'
import type { DesktopHandle } from '~/viewer/DesktopViewer'
import { ClipboardPanel } from '~/viewer/ClipboardPanel'
import { KeysMenu } from '~/viewer/KeysMenu'
import { BAR_ID, enterWindow } from '~/viewer/leave'
import { useFullScreen } from '~/viewer/useFullScreen'
import { DrainWarning } from './DrainWarning'
import { IdleWarning } from './IdleWarning'
import { DETAILS_ID } from './panels'
import classes from './SessionBar.module.css'

export interface SessionBarProps {
  session: Session
  template: Template | undefined
  activity: Activity | undefined
  /** There while a desktop is shown. */
  desktop: DesktopHandle | undefined
  /** There while a web app is shown. */
  onOpenAlone: (() => void) | undefined
  roundTrip: number | undefined
  quality: PictureQuality
  onQuality: (quality: PictureQuality) => void
  /** Whether a desktop is only looked at. */
  viewOnly: boolean
  onViewOnly: (viewOnly: boolean) => void
  drawerOpen: boolean
  onDrawer: () => void
}

const words = strings.viewer

const ShareDialog = lazy(() => part(async () => ({ default: (await import('~/sharing/ShareDialog')).ShareDialog })))

/** The slim bar over the viewer. */
export function SessionBar(props: SessionBarProps) {
  const { session, template, desktop, onOpenAlone, viewOnly } = props
  const me = useMe()
  const changeable = mayChange(me, session)
  const actions = useSessionActions(session, template)
  const phase = phaseOf(session)
  return (
    <header id={BAR_ID} tabIndex={-1} className={classes.bar} onKeyDown={backIntoWindow}>
      <Tooltip label={strings.nav.back}>
        <Link to="/" className={classes.home} aria-label={strings.nav.back}>
          <img src={logo} alt="" width={22} height={22} />
        </Link>
      </Tooltip>
      <h1 className={classes.title}>{titleOf(session, template)}</h1>
      {session.spec.user !== me.name && (
        <span className={classes.owner} title={words.ownedBy(session.spec.user)}>
          <IconUser size={13} aria-hidden />
          <span className="visually-hidden">{words.ownedBy(session.spec.user)}</span>
          <span aria-hidden="true">{session.spec.user}</span>
        </span>
      )}
      <span className={classes.state}>
        <StateBadge phase={phase} live />
      </span>
      <Quality desktop={desktop} roundTrip={phase === 'Running' ? props.roundTrip : undefined} />
      {desktop && viewOnly && (
        <LookingOn onTakePart={mayWork(me, session) ? () => props.onViewOnly(false) : undefined} />
      )}
      <span className={classes.gap} />
      <DrainWarning session={session} />
      <IdleWarning session={session} activity={props.activity} />
      <div className={classes.tools} role="toolbar" aria-label={titleOf(session, template)}>
        {desktop && !viewOnly && <ClipboardPanel desktop={desktop} />}
        {desktop && !viewOnly && <KeysMenu link={desktop.link} />}
        {onOpenAlone && (
          <Tool label={words.openAlone} onClick={onOpenAlone} icon={<IconExternalLink size={18} />} />
        )}
        <FullScreenTool />
        {mayShare(me, session) && <ShareTool session={session} template={template} />}
        {changeable && canStop(phase) && (
          <>
            <Button
              size="xs"
              variant="default"
              className={classes.stop}
              leftSection={<IconMoon size={15} />}
              loading={actions.busy}
              onClick={actions.stop}
            >
              {strings.session.stop}
            </Button>
            <span className={classes.stopSmall}>
              <Tool label={strings.session.stop} onClick={actions.stop} icon={<IconMoon size={18} />} />
            </span>
          </>
        )}
        {mayWake(me, session) && canWake(phase) && (
          <Button size="xs" loading={actions.busy} onClick={actions.wake}>
            {strings.session.wake}
          </Button>
        )}
        {(changeable || desktop) && <MoreMenu {...props} changeable={changeable} />}
        <Tool
          id={DETAILS_ID}
          label={props.drawerOpen ? words.hideDetails : words.details}
          pressed={props.drawerOpen}
          onClick={props.onDrawer}
          icon={<IconLayoutSidebarRight size={18} />}
        />
      </div>
      <div id={OVERLAYS_ID} className={classes.overlays} />
    </header>
  )
}

/** Escape leads from the bar back into the window; from a menu or a dialog it leads out of that first. */
function backIntoWindow(event: KeyboardEvent): void {
  if (event.key !== 'Escape' || !(event.target instanceof Element)) return
  if (event.target.closest('[role="menu"], [role="dialog"], [aria-haspopup][aria-expanded="true"]')) return
  enterWindow()
}

/** Said in words and by an eye: what is pressed here goes nowhere. */
function LookingOn({ onTakePart }: { onTakePart: (() => void) | undefined }) {
  return (
    <span className={classes.looking}>
      <IconEye size={15} aria-hidden />
      <span role="status">{words.viewOnly}</span>
      {onTakePart && (
        <Button size="compact-xs" variant="default" onClick={onTakePart}>
          {words.takePart}
        </Button>
      )}
    </span>
  )
}

interface ToolProps {
  id?: string
  label: string
  icon: React.ReactNode
  pressed?: boolean
  onClick: () => void
}

function Tool({ id, label, icon, pressed, onClick }: ToolProps) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        id={id}
        variant={pressed ? 'light' : 'subtle'}
        color={pressed ? undefined : 'gray'}
        size="lg"
        aria-label={label}
        aria-expanded={pressed}
        onClick={onClick}
      >
        {icon}
      </ActionIcon>
    </Tooltip>
  )
}

/** Opens the dialog about who else may enter. */
function ShareTool({ session, template }: Pick<SessionBarProps, 'session' | 'template'>) {
  const me = useMe()
  const [open, setOpen] = useState(false)
  return (
    <>
      <Tool label={strings.sharing.share} onClick={() => setOpen(true)} icon={<IconUserPlus size={18} />} />
      {open && (
        <Suspense>
          <ShareDialog
            session={session}
            template={template}
            manages={mayShareAll(me, session)}
            onClose={() => setOpen(false)}
          />
        </Suspense>
      )}
    </>
  )
}

function FullScreenTool() {
  const { full, possible, toggle } = useFullScreen()
  if (!possible) return null
  const Icon = full ? IconMinimize : IconMaximize
  return <Tool label={full ? words.leaveFullScreen : words.fullScreen} onClick={toggle} icon={<Icon size={18} />} />
}

/** Bars, by the quality of the picture that the connection allows. */
const GRADES = [0, 4, 7]

/** How good the connection is: whether there is one, how long an answer takes, and how much it carries. */
function Quality({ desktop, roundTrip }: { desktop: DesktopHandle | undefined; roundTrip: number | undefined }) {
  if (desktop && desktop.state.phase !== 'connected') {
    return <span className={classes.quality}>{words.disconnected}</span>
  }
  if (roundTrip === undefined) return null
  const bitsPerSecond = desktop?.state.bitsPerSecond
  const { qualityLevel } = levelsOf('auto', roundTrip, bitsPerSecond)
  const grade = GRADES.filter((least) => qualityLevel >= least).length
  const label = words.qualityLabel(roundTrip, bitsPerSecond)
  return (
    <Tooltip label={label}>
      <span className={classes.quality} tabIndex={0} aria-label={label} role="img">
        <svg width="14" height="12" viewBox="0 0 14 12" aria-hidden="true">
          {[1, 2, 3].map((bar) => (
            <rect key={bar} x={bar * 5 - 5} y={12 - bar * 4} width="3" height={bar * 4} rx="1" opacity={bar <= grade ? 1 : 0.25} />
          ))}
        </svg>
        {words.quality(roundTrip)}
      </span>
    </Tooltip>
  )
}

const QUALITIES: Record<PictureQuality, string> = {
  auto: words.pictureAuto,
  sharp: words.pictureSharp,
  fast: words.pictureLight,
}

interface MoreMenuProps extends SessionBarProps {
  changeable: boolean
}

function MoreMenu(props: MoreMenuProps) {
  const { session, template, desktop, quality, onQuality, viewOnly, onViewOnly, changeable } = props
  const [dialog, setDialog] = useState<'rename' | 'delete'>()
  const me = useMe()
  const actions = useSessionActions(session, template)
  const navigate = useNavigate()
  const close = () => setDialog(undefined)
  return (
    <>
      <Menu>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={strings.more}>
            <IconDotsVertical size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {desktop && (
            <>
              <Menu.Label>{words.pictureQuality}</Menu.Label>
              <Menu.RadioGroup value={quality} onChange={(value) => onQuality(value as PictureQuality)}>
                {(Object.keys(QUALITIES) as PictureQuality[]).map((value) => (
                  <Menu.RadioItem key={value} value={value}>
                    {QUALITIES[value]}
                  </Menu.RadioItem>
                ))}
              </Menu.RadioGroup>
              <Menu.Divider />
              <Menu.CheckboxItem checked={viewOnly} disabled={!mayWork(me, session)} onChange={onViewOnly}>
                {words.viewOnly}
              </Menu.CheckboxItem>
            </>
          )}
          {desktop && changeable && <Menu.Divider />}
          {changeable && phaseOf(session) === 'Failed' && (
            <Menu.Item leftSection={<IconRefresh size={16} />} onClick={actions.restart}>
              {strings.session.restart}
            </Menu.Item>
          )}
          {changeable && (
            <>
              <Menu.Item leftSection={<IconPencil size={16} />} onClick={() => setDialog('rename')}>
                {strings.session.rename}
              </Menu.Item>
              {mayDelete(me, session) && (
                <Menu.Item c="var(--state-bad)" leftSection={<IconTrash size={16} />} onClick={() => setDialog('delete')}>
                  {strings.session.delete}
                </Menu.Item>
              )}
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      {dialog === 'rename' && <RenameDialog session={session} template={template} onClose={close} />}
      {dialog === 'delete' && <DeleteDialog sessions={[session]} onClose={close} onDeleted={() => void navigate({ to: '/' })} />}
    </>
  )
}
