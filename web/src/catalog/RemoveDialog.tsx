import { Button, Group, Modal, Stack, Text } from '@mantine/core'
import type { Repository } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { say } from '~/lib/notices'
import { strings } from '~/strings'
import { useRemoveRepository } from './actions'

const words = strings.repositories

interface Props {
  repository: Repository
  onClose: () => void
  onRemoved: (() => void) | undefined
}

/** Says what leaves the catalog, and what stays. */
export function RemoveDialog({ repository: { id, name, templateCount }, onClose, onRemoved }: Props) {
  const remove = useRemoveRepository()
  const confirm = () =>
    remove.mutate(id, {
      onSuccess: () => {
        say(words.removed(name))
        onClose()
        onRemoved?.()
      },
    })
  return (
    <Modal opened onClose={onClose} title={words.removeTitle(name)}>
      <Stack gap="sm">
        <Text size="sm">{words.removeText(templateCount)}</Text>
        {remove.error && <ProblemAlert problem={remove.error} />}
        <Group justify="flex-end" mt="sm">
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button color="red" loading={remove.isPending} onClick={confirm}>
            {words.removeConfirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
