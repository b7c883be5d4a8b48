import { Menu, UnstyledButton } from '@mantine/core'
import { IconLogout, IconSelector, IconUserCircle } from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'
import { useMe } from '~/api/hooks'
import { signOut } from '~/api/signIn'
import { nameOf } from '~/lib/people'
import { complain } from '~/lib/notices'
import { strings } from '~/strings'
import classes from './AccountMenu.module.css'

export function AccountMenu({ onNavigate }: { onNavigate?: () => void }) {
  const me = useMe()
  const navigate = useNavigate()
  const shown = nameOf(me)
  const profile = () => {
    onNavigate?.()
    void navigate({ to: '/profile' })
  }
  return (
    <Menu position="top-start" width="target">
      <Menu.Target>
        <UnstyledButton className={classes.account} data-initial={shown.slice(0, 1).toLocaleUpperCase()}>
          <span className={classes.name}>
            <span className="visually-hidden">{strings.nav.account}</span> {shown}
          </span>
          <IconSelector size={16} aria-hidden />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconUserCircle size={16} />} onClick={profile}>
          {strings.nav.profile}
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void signOut().catch(complain)}>
          {strings.nav.signOut}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
