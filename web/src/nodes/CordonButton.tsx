import { Button, Group, Modal, Stack, Text } from '@mantine/core'
import { IconPlayerPlay, IconPlayerStop } from '@tabler/icons-react'
import { useState } from 'react'
import type { Node } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { complain, say } from '~/lib/notices'
import { strings } from '~/strings'
import { useCordon } from './actions'

const words = strings.nodes

/** Keeps sessions away, once it was said what that means, or lets them come again. */
export function CordonButton({ node }: { node: Node }) {
  const cordon = useCordon(node.name)
  const [asking, setAsking] = useState(false)
  if (!node.schedulable) {
    const uncordon = () => cordon.mutate(false, { onSuccess: () => say(words.uncordonDone(node.name)), onError: complain })
    return (
      <Button leftSection={<IconPlayerPlay size={16} />} loading={cordon.isPending} onClick={uncordon}>
        {words.uncordon}
      </Button>
    )
  }
  const confirm = () =>
    cordon.mutate(true, {
      onSuccess: () => {
        say(words.cordonDone(node.name))
        setAsking(false)
      },
    })
  return (
    <>
      <Button variant="default" leftSection={<IconPlayerStop size={16} />} onClick={() => setAsking(true)}>
        {words.cordon}
      </Button>
      {asking && (
        <Modal opened onClose={() => setAsking(false)} title={words.cordonTitle(node.name)}>
          <Stack gap="sm">
            <Text size="sm">{typeof node.pods === 'number' ? words.cordonText : words.cordonHost}</Text>
            {cordon.error && <ProblemAlert problem={cordon.error} />}
            <Group justify="flex-end" mt="sm">
              <Button variant="default" onClick={() => setAsking(false)}>
                {strings.cancel}
              </Button>
              <Button loading={cordon.isPending} onClick={confirm}>
                {words.cordon}
              </Button>
            </Group>
          </Stack>
        </Modal>
      )}
    </>
  )
}
