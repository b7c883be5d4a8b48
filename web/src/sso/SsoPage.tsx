import { Button, Stack, Text, Title } from '@mantine/core'
import { IconKey, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { systemQuery } from '~/api/queries'
import type { Mapping } from '~/api/types'
import { EmptyState } from '~/components/EmptyState'
import { PageTitle } from '~/components/PageTitle'
import { ProblemAlert } from '~/components/ProblemAlert'
import { TableSkeleton } from '~/components/TableSkeleton'
import { strings } from '~/strings'
import { MappingDialog } from './MappingDialog'
import { MappingTable } from './MappingTable'
import { mappingsQuery } from './queries'
import { Tester } from './Tester'

const words = strings.sso

/** Identity providers, the rules from what they say to groups and roles, and a place to try them. */
export function SsoPage() {
  const providers = useQuery(systemQuery).data?.signIn.providers
  const { data: rules, isPending, isLoadingError, error, refetch } = useQuery(mappingsQuery)
  const [editing, setEditing] = useState<Mapping | 'new'>()
  const add = (
    <Button leftSection={<IconPlus size={17} />} onClick={() => setEditing('new')}>
      {words.add}
    </Button>
  )
  return (
    <>
      <PageTitle title={words.title}>{rules && rules.length > 0 && add}</PageTitle>
      <Stack gap="xl">
        <section aria-label={words.providers}>
          {providers?.map(({ issuer, label, path }) => (
            <Text key={path} size="sm">
              <strong>{label}</strong> · {issuer ? <code>{issuer}</code> : words.notReached}
            </Text>
          ))}
          {providers?.length === 0 && (
            <>
              <Text fw={600}>{words.noProvider}</Text>
              <Text size="sm" c="dimmed">
                {words.noProviderText}
              </Text>
            </>
          )}
        </section>
        <section aria-label={words.rules}>
          <Title order={2} size="h4" mb={4}>
            {words.rules}
          </Title>
          <Text size="sm" c="dimmed" maw={720} mb="md">
            {words.rulesText}
          </Text>
          {isPending && <TableSkeleton rows={3} />}
          {isLoadingError && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
          {rules?.length === 0 && (
            <EmptyState icon={<IconKey size={24} stroke={1.6} />} title={words.none} text={words.noneText} action={add} />
          )}
          {rules && rules.length > 0 && <MappingTable rules={rules} onEdit={setEditing} />}
        </section>
        <Tester issuer={providers?.[0]?.issuer ?? undefined} rules={rules ?? []} />
      </Stack>
      {editing && (
        <MappingDialog
          rule={editing === 'new' ? undefined : editing}
          issuer={providers?.[0]?.issuer ?? undefined}
          onClose={() => setEditing(undefined)}
        />
      )}
    </>
  )
}
