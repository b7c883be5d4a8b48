import { Button, Table, Text } from '@mantine/core'
import { IconPlus, IconShieldLock } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useMe } from '~/api/hooks'
import type { Grant } from '~/api/types'
import { DataTable } from '~/components/DataTable'
import table from '~/components/DataTable.module.css'
import { EmptyState } from '~/components/EmptyState'
import { ProblemAlert } from '~/components/ProblemAlert'
import { TableSkeleton } from '~/components/TableSkeleton'
import { RelativeTime } from '~/components/Time'
import { mayGrant } from '~/lib/permissions'
import { strings } from '~/strings'
import { CatalogHead } from './CatalogHead'
import { GrantDialog, RevokeDialog } from './GrantDialogs'
import { grantsQuery } from './queries'

const words = strings.grants

/** What may be root inside its containers, by whose word and why. */
export function GrantsPage() {
  const may = mayGrant(useMe())
  const { data, error, isPending, isLoadingError, refetch } = useQuery(grantsQuery)
  const [adding, setAdding] = useState(false)
  const [revoking, setRevoking] = useState<Grant>()
  const add = may && (
    <Button leftSection={<IconPlus size={17} />} onClick={() => setAdding(true)}>
      {words.add}
    </Button>
  )
  return (
    <>
      <CatalogHead>{data && data.length > 0 && add}</CatalogHead>
      <Text size="sm" c="dimmed" maw={720} mb="md">
        {words.text}
      </Text>
      {isPending && <TableSkeleton rows={3} />}
      {isLoadingError && <ProblemAlert problem={error} onRetry={() => void refetch()} />}
      {data?.length === 0 && (
        <EmptyState icon={<IconShieldLock size={24} stroke={1.6} />} title={words.none} text={words.noneText} action={add} />
      )}
      {data && data.length > 0 && <GrantTable grants={data} onRevoke={may ? setRevoking : undefined} />}
      {adding && <GrantDialog onClose={() => setAdding(false)} />}
      {revoking && <RevokeDialog grant={revoking} onClose={() => setRevoking(undefined)} />}
    </>
  )
}

interface TableProps {
  grants: readonly Grant[]
  onRevoke: ((grant: Grant) => void) | undefined
}

function GrantTable({ grants, onRevoke }: TableProps) {
  return (
    <DataTable
      label={words.title}
      columns={[
        { title: words.subject },
        { title: words.reason, wide: true },
        { title: words.granted, width: 180, wide: true },
        { title: strings.columns.actions, width: 130, unseen: true },
      ]}
    >
      {grants.map((grant) => (
        <GrantRow key={grant.id} grant={grant} onRevoke={onRevoke} />
      ))}
    </DataTable>
  )
}

function GrantRow({ grant, onRevoke }: { grant: Grant; onRevoke: TableProps['onRevoke'] }) {
  const { template, repository, repositoryName, reason, grantedBy, grantedAt } = grant
  return (
    <Table.Tr>
      <Table.Td>
        {template ? (
          <Link to="/templates/$name" params={{ name: template }} className={table.link}>
            {template}
          </Link>
        ) : (
          <Link to="/admin/catalog/repositories/$id" params={{ id: repository ?? '' }} className={table.link}>
            {repositoryName ?? repository}
          </Link>
        )}
        <Text size="xs" c="dimmed">
          {template ? words.oneTemplate : words.wholeRepository}
        </Text>
        <div className={table.narrow}>{reason}</div>
      </Table.Td>
      <Table.Td data-wide className={table.message}>
        {reason}
      </Table.Td>
      <Table.Td data-wide>
        <RelativeTime at={grantedAt} />
        <Text size="xs" c="dimmed">
          {strings.repositories.createdBy(grantedBy)}
        </Text>
      </Table.Td>
      <Table.Td>
        {onRevoke && (
          <Button
            size="xs"
            variant="default"
            aria-label={words.revokeNamed(template ?? repositoryName ?? '')}
            onClick={() => onRevoke(grant)}
          >
            {words.revoke}
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  )
}
