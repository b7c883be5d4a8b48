import { Menu } from '@mantine/core'
import { IconDotsVertical, IconMoon, IconPencil, IconPlayerPlay, IconRefresh, IconTrash } from '@tabler/icons-react'
import { useState, type ComponentProps } from 'react'
import type { Session, Template } from '~/api/types'
import { useMe } from '~/api/hooks'
import { mayDelete } from '~/lib/permissions'
import { canStop, canWake, isOver, phaseOf, titleOf } from '~/lib/session'
import { strings } from '~/strings'
import { DeleteDialog } from './DeleteDialog'
import { RenameDialog } from './RenameDialog'
import classes from './SessionMenu.module.css'
import { useSessionActions } from './useSessionActions'

interface Props {
  session: Session
  template: Template | undefined
}

/**
 * Everything one can do with a session, for cards and table rows. Until it is asked for it is only its button: a page
 * may hold a hundred of them.
 */
export function SessionMenu(props: Props) {
  const [asked, setAsked] = useState(false)
  if (asked) return <OpenedMenu {...props} />
  return <MenuButton {...props} aria-haspopup="menu" aria-expanded={false} onClick={() => setAsked(true)} />
}

function MenuButton({ session, template, className, ...rest }: Props & ComponentProps<'button'>) {
  return (
    <button
      type="button"
      className={[classes.button, className].filter(Boolean).join(' ')}
      aria-label={strings.session.menu(titleOf(session, template))}
      {...rest}
    >
      <IconDotsVertical size={18} aria-hidden />
    </button>
  )
}

function OpenedMenu({ session, template }: Props) {
  const [dialog, setDialog] = useState<'rename' | 'delete'>()
  const actions = useSessionActions(session, template)
  const me = useMe()
  const phase = phaseOf(session)
  const close = () => setDialog(undefined)
  return (
    <>
      <Menu defaultOpened>
        <Menu.Target>
          <MenuButton session={session} template={template} />
        </Menu.Target>
        <Menu.Dropdown>
          {canWake(phase) && (
            <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={actions.wake}>
              {strings.session.wake}
            </Menu.Item>
          )}
          {phase === 'Failed' && (
            <Menu.Item leftSection={<IconRefresh size={16} />} onClick={actions.restart}>
              {strings.session.restart}
            </Menu.Item>
          )}
          {canStop(phase) && (
            <Menu.Item leftSection={<IconMoon size={16} />} onClick={actions.stop}>
              {strings.session.stop}
            </Menu.Item>
          )}
          <Menu.Item leftSection={<IconPencil size={16} />} disabled={isOver(phase)} onClick={() => setDialog('rename')}>
            {strings.session.rename}
          </Menu.Item>
          {mayDelete(me, session) && (
            <>
              <Menu.Divider />
              <Menu.Item
                c="var(--state-bad)"
                leftSection={<IconTrash size={16} />}
                disabled={phase === 'Terminating'}
                onClick={() => setDialog('delete')}
              >
                {strings.session.delete}
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      {dialog === 'rename' && <RenameDialog session={session} template={template} onClose={close} />}
      {dialog === 'delete' && <DeleteDialog sessions={[session]} onClose={close} />}
    </>
  )
}
