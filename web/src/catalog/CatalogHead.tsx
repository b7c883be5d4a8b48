import { Group } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useMe } from '~/api/hooks'
import { PageTitle } from '~/components/PageTitle'
import { seesRepositories } from '~/lib/permissions'
import { strings } from '~/strings'
import classes from './CatalogHead.module.css'

const words = strings.catalog

/** The head of the catalog's lists, with the way between them; `children` are what can be done there. */
export function CatalogHead({ children }: { children?: ReactNode }) {
  const me = useMe()
  return (
    <>
      <PageTitle title={words.title}>{children && <Group gap="sm">{children}</Group>}</PageTitle>
      {seesRepositories(me) && (
        <nav className={classes.parts} aria-label={words.parts}>
          <Link to="/admin/catalog" className={classes.part} activeOptions={{ exact: true, includeSearch: false }}>
            {words.templates}
          </Link>
          <Link to="/admin/catalog/repositories" className={classes.part}>
            {words.repositories}
          </Link>
          <Link to="/admin/catalog/grants" className={classes.part}>
            {words.grants}
          </Link>
        </nav>
      )}
    </>
  )
}
