import { Button, Select } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useState } from 'react'
import type { Node, NodeTaint } from '~/api/types'
import { complain, say } from '~/lib/notices'
import { strings } from '~/strings'
import { useRemoveTaint, useSetTaint } from './actions'
import { MarkDialog } from './MarkDialog'
import { Marks } from './Marks'
import { isProtected } from './protected'

const words = strings.nodes
type Effect = NodeTaint['effect']

/** On one machine nothing can go elsewhere. */
const effectsOf = (node: Node): Effect[] =>
  typeof node.pods === 'number' ? ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] : ['NoSchedule', 'PreferNoSchedule']

export function TaintsPart({ node, may }: { node: Node; may: boolean }) {
  const set = useSetTaint(node.name)
  const remove = useRemoveTaint(node.name)
  const [adding, setAdding] = useState(false)
  const [effect, setEffect] = useState<Effect>('NoSchedule')
  const close = () => {
    set.reset()
    setAdding(false)
  }
  const marks = node.taints.map(({ key, value, effect }) => ({
    id: `${key}:${effect}`,
    key,
    value: value ? `${value}:${effect}` : effect,
    remove: may && !isProtected(key) ? () => remove.mutate({ key, effect }, { onError: complain }) : undefined,
  }))
  return (
    <Marks title={words.taints} empty={words.noTaints} marks={marks} busy={remove.isPending}>
      {may && (
        <Button variant="default" size="xs" leftSection={<IconPlus size={15} />} onClick={() => setAdding(true)}>
          {words.addTaint}
        </Button>
      )}
      {adding && (
        <MarkDialog
          title={words.addTaint}
          problem={set.error}
          busy={set.isPending}
          onClose={close}
          onSet={(key, value) =>
            set.mutate({ key, value, effect }, {
              onSuccess: () => {
                say(words.changed)
                close()
              },
            })
          }
        >
          <Select
            label={words.effect}
            allowDeselect={false}
            data={effectsOf(node).map((value) => ({ value, label: words.effects[value] }))}
            value={effect}
            onChange={(value) => value && setEffect(value)}
          />
        </MarkDialog>
      )}
    </Marks>
  )
}
