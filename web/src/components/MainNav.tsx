import {
  IconBooks,
  IconBriefcase,
  IconFileText,
  IconHome,
  IconKey,
  IconLayoutGrid,
  IconListDetails,
  IconPalette,
  IconServer,
  IconSettings,
  IconSubtask,
  IconUsers,
  IconUsersGroup,
  type Icon,
} from '@tabler/icons-react'
import { Link, type LinkProps } from '@tanstack/react-router'
import { useMe } from '~/api/hooks'
import {
  mayChangeSettings,
  mayManageSso,
  mayReadAudit,
  mayReadNodes,
  mayReadPeople,
  seesEveryonesJobs,
  seesGroups,
  seesProjects,
  seesRepositories,
} from '~/lib/permissions'
import { strings } from '~/strings'
import classes from './MainNav.module.css'

interface Entry {
  to: LinkProps['to']
  label: string
  icon: Icon
}

const OWN: Entry[] = [
  { to: '/', label: strings.nav.home, icon: IconHome },
  { to: '/templates', label: strings.nav.templates, icon: IconLayoutGrid },
  { to: '/sessions', label: strings.nav.sessions, icon: IconListDetails },
]

/** The pages that this person's roles open. */
export function usePages(): { own: Entry[]; administration: Entry[] } {
  const me = useMe()
  const administration: Entry[] = []
  if (mayReadPeople(me)) administration.push({ to: '/admin/people', label: strings.nav.people, icon: IconUsers })
  if (seesGroups(me)) administration.push({ to: '/admin/groups', label: strings.nav.groups, icon: IconUsersGroup })
  if (mayReadNodes(me)) administration.push({ to: '/admin/nodes', label: strings.nav.nodes, icon: IconServer })
  if (mayManageSso(me)) administration.push({ to: '/admin/sso', label: strings.nav.sso, icon: IconKey })
  if (seesRepositories(me)) administration.push({ to: '/admin/catalog', label: strings.nav.catalog, icon: IconBooks })
  if (seesEveryonesJobs(me)) administration.push({ to: '/admin/jobs', label: strings.nav.jobs, icon: IconSubtask })
  if (mayReadAudit(me)) administration.push({ to: '/admin/audit', label: strings.nav.audit, icon: IconFileText })
  if (mayChangeSettings(me)) administration.push({ to: '/admin/settings', label: strings.nav.settings, icon: IconSettings })
  if (import.meta.env.DEV) {
    administration.push({ to: '/dev/components', label: strings.nav.components, icon: IconPalette })
  }
  const projects: Entry = { to: '/projects', label: strings.nav.projects, icon: IconBriefcase }
  return { own: seesProjects(me) ? [...OWN, projects] : OWN, administration }
}

export function MainNav({ onNavigate }: { onNavigate?: () => void }) {
  const { own, administration } = usePages()
  return (
    <nav className={classes.nav} aria-label={strings.nav.label}>
      <Entries entries={own} onNavigate={onNavigate} />
      {administration.length > 0 && (
        <>
          <div className={classes.heading}>{strings.nav.administration}</div>
          <Entries entries={administration} onNavigate={onNavigate} />
        </>
      )}
    </nav>
  )
}

function Entries({ entries, onNavigate }: { entries: Entry[]; onNavigate: (() => void) | undefined }) {
  return entries.map(({ to, label, icon: Glyph }) => (
    <Link key={to} to={to} className={classes.link} activeOptions={{ exact: to === '/' }} onClick={onNavigate}>
      <Glyph size={18} stroke={1.7} aria-hidden />
      {label}
    </Link>
  ))
}
