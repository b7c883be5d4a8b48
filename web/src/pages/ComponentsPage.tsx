import { PageTitle } from '~/components/PageTitle'
import { strings } from '~/strings'

export function ComponentsPage() {
  return <PageTitle title={strings.nav.components} />
}
