import { getRouteApi } from '@tanstack/react-router'
import { AuditTable } from '~/components/AuditTable'
import { PageTitle } from '~/components/PageTitle'
import { SearchInput } from '~/components/SearchInput'
import { strings } from '~/strings'

const route = getRouteApi('/authed/shell/admin/audit')

/** The audit log, searched and paged in the address. */
export function AuditPage() {
  const { search = '', page = 1 } = route.useSearch()
  const navigate = route.useNavigate()
  return (
    <>
      <PageTitle title={strings.audit.title} />
      <SearchInput
        maw={360}
        mb="md"
        label={strings.audit.search}
        value={search}
        onSearch={(text) => void navigate({ search: { search: text || undefined }, replace: true })}
      />
      <AuditTable
        search={search}
        page={page}
        onPage={(next) => void navigate({ search: (old) => ({ ...old, page: next }) })}
      />
    </>
  )
}
