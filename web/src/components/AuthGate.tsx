import { useEffect } from 'react'
import { useQuery } from '@tanstack/react-query'
import { Outlet, useNavigate, useRouter } from '@tanstack/react-router'
import { meQuery } from '~/api/queries'
import { LiveProvider } from '~/live/LiveProvider'
import { ConnectionBar } from './ConnectionBar'
import { PaletteHost } from './PaletteHost'

/** Behind it someone is signed in and the page is live. When the sign-in ends, it leads back to where one was. */
export function AuthGate() {
  const { data: me } = useQuery(meQuery)
  if (!me) return <SignedOut />
  return (
    <LiveProvider key={me.name}>
      <ConnectionBar />
      <Outlet />
      <PaletteHost />
    </LiveProvider>
  )
}

/** Leads to sign-in, once: the way there takes a while, and asking for it again would begin it anew each time. */
function SignedOut() {
  const navigate = useNavigate()
  const router = useRouter()
  useEffect(() => {
    const { href } = router.state.location
    void navigate({ to: '/sign-in', search: href === '/' ? {} : { to: href }, replace: true })
  }, [navigate, router])
  return null
}
