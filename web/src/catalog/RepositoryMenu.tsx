import { ActionIcon, Menu } from '@mantine/core'
import { IconDotsVertical, IconRefresh, IconSettings, IconTrash } from '@tabler/icons-react'
import { useState } from 'react'
import { useMe } from '~/api/hooks'
import type { Repository } from '~/api/types'
import { complain, say } from '~/lib/notices'
import { maySync, mayWriteCatalog } from '~/lib/permissions'
import { strings } from '~/strings'
import { useSyncRepository } from './actions'
import { RemoveDialog } from './RemoveDialog'
import { RepositoryDialog } from './RepositoryDialog'

const words = strings.repositories

/** What can be done with a repository; nothing for those who may do nothing. */
export function RepositoryMenu({ repository, onRemoved }: { repository: Repository; onRemoved?: () => void }) {
  const me = useMe()
  const [dialog, setDialog] = useState<'edit' | 'remove'>()
  const sync = useSyncRepository()
  const close = () => setDialog(undefined)
  const { id, name, builtIn } = repository
  // What comes with the server changes with it alone.
  if (builtIn || (!maySync(me) && !mayWriteCatalog(me))) return null
  return (
    <>
      <Menu>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={words.menu(name)}>
            <IconDotsVertical size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {maySync(me) && (
            <Menu.Item
              leftSection={<IconRefresh size={16} />}
              onClick={() => sync.mutate(id, { onSuccess: () => say(words.syncAsked(name)), onError: complain })}
            >
              {words.sync}
            </Menu.Item>
          )}
          {mayWriteCatalog(me) && (
            <>
              <Menu.Item leftSection={<IconSettings size={16} />} onClick={() => setDialog('edit')}>
                {words.edit}
              </Menu.Item>
              <Menu.Divider />
              <Menu.Item c="var(--state-bad)" leftSection={<IconTrash size={16} />} onClick={() => setDialog('remove')}>
                {words.remove}
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      {dialog === 'edit' && <RepositoryDialog repository={repository} onClose={close} />}
      {dialog === 'remove' && <RemoveDialog repository={repository} onClose={close} onRemoved={onRemoved} />}
    </>
  )
}
