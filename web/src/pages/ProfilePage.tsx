import { SegmentedControl, Stack, Text, Title, useMantineColorScheme, type MantineColorScheme } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useId, type ReactNode } from 'react'
import { useMe } from '~/api/hooks'
import { ownIdentitiesQuery } from '~/api/queries'
import { AuditTable } from '~/components/AuditTable'
import { NewPasswordForm } from '~/components/NewPasswordForm'
import { PageTitle } from '~/components/PageTitle'
import { Tags } from '~/components/Tags'
import { RelativeTime } from '~/components/Time'
import { TokenList } from '~/components/TokenList'
import { nameOf } from '~/lib/people'
import { mayReadAudit } from '~/lib/permissions'
import { say } from '~/lib/notices'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'

const words = strings.profile
const SCHEMES: MantineColorScheme[] = ['light', 'dark', 'auto']

/** One's own account: how the page looks, the password, tokens, and what was done with the account. */
export function ProfilePage() {
  const me = useMe()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  return (
    <>
      <PageTitle title={words.title} />
      <div className={layout.panels}>
        <Panel title={words.account}>
          <Stack gap={4}>
            <Text fw={600}>{nameOf(me)}</Text>
            <Text size="sm" c="dimmed">
              {[me.name, me.email].filter(Boolean).join(' · ')}
            </Text>
            <Tags tags={me.roles.map((role) => strings.roles[role] ?? role)} />
          </Stack>
        </Panel>
        <Panel title={words.appearance}>
          <SegmentedControl
            aria-label={words.appearance}
            data={SCHEMES.map((value) => ({ value, label: words.schemes[value] }))}
            value={colorScheme}
            onChange={(value) => setColorScheme(value)}
          />
          <Text size="sm" c="dimmed" mt="xs">
            {words.appearanceText}
          </Text>
        </Panel>
        <Panel title={words.password}>
          <NewPasswordForm
            username={me.name}
            submitLabel={words.change}
            askCurrent
            onDone={() => say(words.changed)}
          />
        </Panel>
        <Identities />
        <Panel title={words.tokens}>
          <TokenList />
        </Panel>
      </div>
      <Title order={2} fz={16} mt={32} mb="sm">
        {words.own}
      </Title>
      {/* Others see no entries but those about themselves anyway. */}
      <AuditTable own actor={mayReadAudit(me) ? me.name : undefined} />
    </>
  )
}

/** Who one is at identity providers; nothing where one came through none. */
function Identities() {
  const { data } = useQuery(ownIdentitiesQuery)
  if (!data || data.length === 0) return null
  return (
    <Panel title={words.identities}>
      <Stack gap="sm">
        {data.map(({ id, issuer, subject, lastSignInAt }) => (
          <div key={id}>
            <Text size="sm" fw={600} style={{ overflowWrap: 'anywhere' }}>
              {issuer}
            </Text>
            <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
              {subject}
              {lastSignInAt && (
                <>
                  {' · '}
                  {words.identityUsed} <RelativeTime at={lastSignInAt} />
                </>
              )}
            </Text>
          </div>
        ))}
      </Stack>
    </Panel>
  )
}

function Panel({ title, children }: { title: string; children: ReactNode }) {
  const id = useId()
  return (
    <section className={layout.panel} aria-labelledby={id}>
      <Title order={2} id={id} fz={16} mb="md">
        {title}
      </Title>
      {children}
    </section>
  )
}
