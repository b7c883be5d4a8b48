import { useQuery } from '@tanstack/react-query'
import { Navigate, Outlet, useLocation } from '@tanstack/react-router'
import { meQuery } from '~/api/queries'
import { LiveProvider } from '~/live/LiveProvider'
import { ConnectionBar } from './ConnectionBar'
import { PaletteHost } from './PaletteHost'

/** Behind it someone is signed in and the page is live. When the sign-in ends, it leads back to where one was. */
export function AuthGate() {
  const { data: me } = useQuery(meQuery)
  const { href } = useLocation()
  if (!me) return <Navigate to="/sign-in" search={href === '/' ? {} : { to: href }} replace />
  return (
    <LiveProvider key={me.name}>
      <ConnectionBar />
      <Outlet />
      <PaletteHost />
    </LiveProvider>
  )
}
