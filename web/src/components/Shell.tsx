import { ActionIcon, Burger, Drawer, Kbd, UnstyledButton } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { Link, Outlet } from '@tanstack/react-router'
import logo from '~/assets/icon.svg'
import { isApple } from '~/lib/platform'
import { strings } from '~/strings'
import { OVERLAYS_ID } from '~/theme'
import { AccountMenu } from './AccountMenu'
import { MainNav } from './MainNav'
import { NoticeBell } from './NoticeBell'
import { openPalette } from './palette'
import classes from './Shell.module.css'

/** The frame of every page but the sign-in and the viewer: navigation at the side, a drawer on a phone. */
export function Shell() {
  const [menuOpen, menu] = useDisclosure()
  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#content">
        {strings.skipToContent}
      </a>
      <section className={classes.top} aria-label={strings.product}>
        <Burger opened={menuOpen} onClick={menu.toggle} size="sm" aria-label={strings.nav.menu} />
        <Brand />
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={strings.nav.find} onClick={openPalette}>
          <IconSearch size={18} />
        </ActionIcon>
        <NoticeBell />
      </section>
      <aside className={classes.side}>
        <div className={classes.sideHead}>
          <Brand />
          <NoticeBell />
        </div>
        <UnstyledButton className={classes.find} onClick={openPalette}>
          <IconSearch size={15} aria-hidden />
          <span>{strings.nav.find}</span>
          <Kbd size="xs">{isApple ? '⌘ K' : 'Ctrl K'}</Kbd>
        </UnstyledButton>
        <MainNav />
        <AccountMenu />
      </aside>
      <Drawer opened={menuOpen} onClose={menu.close} size={280} title={<Brand />} classNames={{ body: classes.menu }}>
        <MainNav onNavigate={menu.close} />
        <AccountMenu onNavigate={menu.close} />
      </Drawer>
      <main id="content" className={classes.content} tabIndex={-1}>
        <div className={classes.inner}>
          <Outlet />
        </div>
        <div id={OVERLAYS_ID} />
      </main>
    </div>
  )
}

function Brand() {
  return (
    <Link to="/" className={classes.brand}>
      <img src={logo} alt="" width={22} height={22} />
      {strings.product}
    </Link>
  )
}
