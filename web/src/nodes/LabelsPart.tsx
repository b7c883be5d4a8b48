import { Button } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useState } from 'react'
import type { Node } from '~/api/types'
import { complain, say } from '~/lib/notices'
import { strings } from '~/strings'
import { useRemoveLabel, useSetLabel } from './actions'
import { MarkDialog } from './MarkDialog'
import { Marks } from './Marks'
import { isProtected } from './protected'

const words = strings.nodes

export function LabelsPart({ node, may }: { node: Node; may: boolean }) {
  const set = useSetLabel(node.name)
  const remove = useRemoveLabel(node.name)
  const [adding, setAdding] = useState(false)
  const close = () => {
    set.reset()
    setAdding(false)
  }
  const marks = Object.entries(node.labels).map(([key, value]) => ({
    id: key,
    key,
    value,
    remove: may && !isProtected(key) ? () => remove.mutate(key, { onError: complain }) : undefined,
  }))
  return (
    <Marks title={words.labels} empty={words.noLabels} marks={marks} busy={remove.isPending}>
      {may && (
        <Button variant="default" size="xs" leftSection={<IconPlus size={15} />} onClick={() => setAdding(true)}>
          {words.addLabel}
        </Button>
      )}
      {adding && (
        <MarkDialog
          title={words.addLabel}
          problem={set.error}
          busy={set.isPending}
          onClose={close}
          onSet={(key, value) =>
            set.mutate({ key, value }, {
              onSuccess: () => {
                say(words.changed)
                close()
              },
            })
          }
        />
      )}
    </Marks>
  )
}
