import { Button, Code, CopyButton, Group, Stack, Text, Title } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import { useId } from 'react'
import type { Repository } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { strings } from '~/strings'
import { useRenewSecret } from './actions'
import classes from './WebhookPanel.module.css'

const words = strings.repositories
/** Where hosts send what they have to tell. */
const PATH = '/webhooks/repository/sync'

/** What the repository's host has to be told so that a push is here at once. The secret is shown when it is made. */
export function WebhookPanel({ repository, may }: { repository: Repository; may: boolean }) {
  const id = useId()
  const renew = useRenewSecret(repository.id)
  const has = repository.hasWebhookSecret
  return (
    <section aria-labelledby={id}>
      <Title order={2} id={id} fz={16} mb="xs">
        {words.webhook}
      </Title>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {words.webhookText}
        </Text>
        <Copied label={words.webhookUrl} value={renew.data?.url ?? new URL(PATH, location.href).href} />
        {renew.data ? (
          <div role="status">
            <Text size="sm" fw={600} mb={6}>
              {words.webhookOnce}
            </Text>
            <Copied label={words.webhookSecret} value={renew.data.secret} />
          </div>
        ) : (
          <Text size="sm">{has ? words.webhookHasSecret : words.webhookNoSecret}</Text>
        )}
        <Text size="sm" c="dimmed">
          {words.webhookHow}
        </Text>
        {renew.error && <ProblemAlert problem={renew.error} />}
        {may && (
          <Group gap="sm">
            <Button size="xs" variant="default" loading={renew.isPending} onClick={() => renew.mutate(undefined)}>
              {has ? words.webhookRenew : words.webhookMake}
            </Button>
            {has && (
              <Text size="xs" c="dimmed" flex={1}>
                {words.webhookRenewText}
              </Text>
            )}
          </Group>
        )}
      </Stack>
    </section>
  )
}

function Copied({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <div className={classes.value}>
        <Code className={classes.code}>{value}</Code>
        <CopyButton value={value}>
          {({ copied, copy }) => (
            <Button
              size="compact-xs"
              variant="default"
              leftSection={copied ? <IconCheck size={13} /> : <IconCopy size={13} />}
              onClick={copy}
              aria-label={`${copied ? strings.copied : strings.copy}: ${label}`}
            >
              {copied ? strings.copied : strings.copy}
            </Button>
          )}
        </CopyButton>
      </div>
    </div>
  )
}
