import { ActionIcon, Badge, Button, CopyButton, Group, Popover, Stack, Text, Textarea, Tooltip } from '@mantine/core'
import { IconClipboard } from '@tabler/icons-react'
import { useRef, useState } from 'react'
import { say } from '~/lib/notices'
import { strings } from '~/strings'
import { readClipboard, type ClipboardAccess } from './clipboard'
import type { DesktopHandle } from './DesktopViewer'

const words = strings.viewer

const ACCESS: Record<ClipboardAccess, { title: string; text: string; color: string }> = {
  granted: { title: words.clipboardAuto, text: words.clipboardAutoText, color: 'green' },
  prompt: { title: words.clipboardAsk, text: words.clipboardAskText, color: 'yellow' },
  denied: { title: words.clipboardDenied, text: words.clipboardDeniedText, color: 'red' },
  unavailable: { title: words.clipboardUnavailable, text: words.clipboardUnavailableText, color: 'gray' },
}

/** The clipboard of the session: whether the browser shares it by itself, and two boxes for when it does not. */
export function ClipboardPanel({ desktop }: { desktop: DesktopHandle }) {
  const { access, link, state } = desktop
  const look = ACCESS[access]
  return (
    <Popover width={340} position="bottom-end" trapFocus>
      <Popover.Target>
        <Tooltip label={words.clipboard}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={words.clipboard}>
            <IconClipboard size={18} />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown aria-label={words.clipboard}>
        <Stack gap="sm">
          <Group gap="xs">
            <Badge color={look.color} variant="dot" tt="none">
              {look.title}
            </Badge>
          </Group>
          <Text size="sm" c="dimmed">
            {look.text}
          </Text>
          {access === 'prompt' && (
            // Reading is what makes the browser ask.
            <Button size="xs" onClick={() => void readClipboard()}>
              {words.clipboardAllow}
            </Button>
          )}
          <SendBox onSend={(text) => link.paste(text)} />
          <Received text={state.received} />
        </Stack>
      </Popover.Dropdown>
    </Popover>
  )
}

function SendBox({ onSend }: { onSend: (text: string) => void }) {
  const [text, setText] = useState('')
  const field = useRef<HTMLTextAreaElement>(null)
  const send = () => {
    onSend(text)
    setText('')
    // The button is about to be disabled, and would lose the focus to nowhere.
    field.current?.focus()
    say(words.sent)
  }
  return (
    <div>
      <Textarea
        ref={field}
        label={words.sendText}
        autosize
        minRows={2}
        maxRows={6}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Button size="xs" mt={6} variant="default" disabled={text === ''} onClick={send}>
        {words.paste}
      </Button>
    </div>
  )
}

function Received({ text }: { text: string | undefined }) {
  return (
    <div>
      <Textarea
        label={words.receivedText}
        readOnly
        autosize
        minRows={2}
        maxRows={6}
        value={text ?? ''}
        placeholder={words.nothingReceived}
      />
      <CopyButton value={text ?? ''}>
        {({ copied, copy }) => (
          <Button size="xs" mt={6} variant="default" disabled={!text} onClick={copy}>
            {copied ? strings.copied : strings.copy}
          </Button>
        )}
      </CopyButton>
    </div>
  )
}
