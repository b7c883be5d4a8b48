import { ActionIcon, Button, Group, Indicator, Popover, Stack, Text, UnstyledButton } from '@mantine/core'
import { IconBell } from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { clearNotices, readNotices, useNotices, type Notice } from '~/lib/notices'
import { strings } from '~/strings'
import classes from './NoticeBell.module.css'
import { RelativeTime } from './Time'

/** The list of what the platform had to say, behind a bell that counts what is new. */
export function NoticeBell() {
  const notices = useNotices()
  const [opened, setOpened] = useState(false)
  const unread = notices.filter((notice) => !notice.read).length
  const change = (open: boolean) => {
    setOpened(open)
    if (!open) readNotices()
  }
  return (
    <Popover opened={opened} onChange={change} position="bottom-start" width={320} trapFocus>
      <Indicator disabled={unread === 0} color="red" size={8} offset={6}>
        <Popover.Target>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            aria-label={strings.notices.unread(unread)}
            onClick={() => change(!opened)}
          >
            <IconBell size={18} />
          </ActionIcon>
        </Popover.Target>
      </Indicator>
      <Popover.Dropdown aria-label={strings.notices.title}>
        <Group justify="space-between" mb={6}>
          <Text size="sm" fw={600}>
            {strings.notices.title}
          </Text>
          {notices.length > 0 && (
            <Button size="compact-xs" variant="subtle" onClick={clearNotices}>
              {strings.notices.clear}
            </Button>
          )}
        </Group>
        <NoticeList notices={notices} onOpen={() => change(false)} />
        <OutsideNotices />
      </Popover.Dropdown>
    </Popover>
  )
}

function NoticeList({ notices, onOpen }: { notices: readonly Notice[]; onOpen: () => void }) {
  const navigate = useNavigate()
  if (notices.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {strings.notices.empty}
      </Text>
    )
  }
  const open = (session: string | undefined) => {
    onOpen()
    if (session) void navigate({ to: '/sessions/$id', params: { id: session } })
  }
  return (
    <Stack gap={2} mah={320} className={classes.list}>
      {notices.map((notice) => (
        <UnstyledButton key={notice.id} className={classes.notice} onClick={() => open(notice.session)}>
          <Text size="sm" fw={notice.read ? 500 : 650}>
            {notice.title}
          </Text>
          <Text size="sm">{notice.message}</Text>
          <Text size="xs" c="dimmed">
            <RelativeTime at={new Date(notice.at).toISOString()} />
          </Text>
        </UnstyledButton>
      ))}
    </Stack>
  )
}

/** Browsers ask the person once, and only after a click. */
function OutsideNotices() {
  const [permission, setPermission] = useState(() => ('Notification' in globalThis ? Notification.permission : 'denied'))
  if (permission !== 'default') return null
  return (
    <Button
      fullWidth
      size="xs"
      variant="default"
      mt="sm"
      onClick={() => void Notification.requestPermission().then(setPermission)}
    >
      {strings.notices.outside}
    </Button>
  )
}
