import { useNavigate } from '@tanstack/react-router'
import { useConnectSession, useMe, usePatchSession, useRestartSession } from '~/api/hooks'
import type { Session, Template } from '~/api/types'
import { complain, say } from '~/lib/notices'
import { mayChange } from '~/lib/permissions'
import { titleOf } from '~/lib/session'
import { strings } from '~/strings'

/** What one does with a session from wherever it is shown. Failures are said; success is seen in its state. */
export function useSessionActions(session: Session, template?: Template) {
  const navigate = useNavigate()
  const patch = usePatchSession()
  const restart = useRestartSession()
  const connect = useConnectSession()
  const me = useMe()
  const name = session.metadata.name
  const open = () => navigate({ to: '/sessions/$id', params: { id: name } })
  return {
    busy: patch.isPending || restart.isPending || connect.isPending,
    open,
    wake: () => {
      const then = { onSuccess: () => void open(), onError: complain }
      // Who may not change it, a guest, wakes it by entering.
      if (mayChange(me, session)) patch.mutate({ name, patch: { state: 'running' } }, then)
      else connect.mutate(name, then)
    },
    stop: () =>
      patch.mutate(
        { name, patch: { state: 'hibernated' } },
        { onSuccess: () => say(strings.session.stopped(titleOf(session, template))), onError: complain },
      ),
    restart: () => restart.mutate(name, { onSuccess: () => void open(), onError: complain }),
  }
}
