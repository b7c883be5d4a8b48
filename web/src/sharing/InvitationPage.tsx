import { Button, Loader } from '@mantine/core'
import { useWindowEvent } from '@mantine/hooks'
import { IconUsers } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import { EmptyState } from '~/components/EmptyState'
import { PageTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { forgetInvitation, keepInvitation } from '~/lib/invitation'
import { strings } from '~/strings'

const words = strings.invitation

/** What the link that the page was opened through invites to, and the way in. */
export function InvitationPage() {
  const [token, setToken] = useState(keepInvitation)
  // A link that is pasted into the address of this very page changes only the fragment, and loads nothing.
  useWindowEvent('hashchange', () => setToken(keepInvitation()))
  return (
    <>
      <PageTitle title={words.title} />
      {token === undefined ? <Gone /> : <Invited key={token} token={token} />}
    </>
  )
}

function Invited({ token }: { token: string }) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const body = { token }
  const { data, error, refetch } = useQuery({
    queryKey: ['invitation', token],
    queryFn: () => answer(api.POST('/api/v1/invitations/look', { body })),
    retry: false,
  })
  const accept = useMutation({
    mutationFn: () => answer(api.POST('/api/v1/invitations/accept', { body })),
    onSuccess: ({ session }) => {
      forgetInvitation()
      void client.invalidateQueries({ queryKey: keys.shared })
      void client.invalidateQueries({ queryKey: keys.sessions })
      void navigate({ to: '/sessions/$id', params: { id: session }, replace: true })
    },
  })
  if (error) return error.status === 404 ? <Gone /> : <ProblemAlert problem={error} onRetry={() => void refetch()} />
  if (!data) return <Loader role="img" aria-label={strings.loading} />
  return (
    <>
      <EmptyState
        icon={<IconUsers size={24} stroke={1.6} />}
        title={words.invites(data.owner, data.displayName)}
        text={words.to[data.level]}
        action={
          <Button loading={accept.isPending} onClick={() => accept.mutate()}>
            {words.accept}
          </Button>
        }
      />
      {accept.error && <ProblemAlert problem={accept.error} />}
    </>
  )
}

function Gone() {
  return <EmptyState icon={<IconUsers size={24} stroke={1.6} />} title={words.gone} text={words.goneText} />
}
