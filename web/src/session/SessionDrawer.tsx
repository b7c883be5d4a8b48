import { CloseButton, Loader, Tabs } from '@mantine/core'
import { lazy, Suspense } from 'react'
import type { Activity, Session, Template } from '~/api/types'
import { part } from '~/lib/part'
import { strings } from '~/strings'
import { HealthPanel } from './HealthPanel'
import { DETAILS_ID, PANELS, type Panel } from './panels'
import { PeoplePanel } from './PeoplePanel'
import classes from './SessionDrawer.module.css'
import { TimelinePanel } from './TimelinePanel'

const LogsPanel = lazy(() => part(() => import('./LogsPanel')))
const UsagePanel = lazy(() => part(() => import('./UsagePanel')))

interface Props {
  session: Session
  template: Template | undefined
  activity: Activity | undefined
  panel: Panel
  onPanel: (panel: Panel | undefined) => void
}

/** Everything about a session beside its window. */
export function SessionDrawer({ session, template, activity, panel, onPanel }: Props) {
  const { name } = session.metadata
  const close = () => {
    onPanel(undefined)
    document.getElementById(DETAILS_ID)?.focus()
  }
  return (
    <aside className={classes.drawer} aria-label={strings.drawer.title}>
      <Tabs
        value={panel}
        onChange={(value) => onPanel((value as Panel | null) ?? undefined)}
        keepMounted={false}
        className={classes.tabs}
      >
        <div className={classes.head}>
          <Tabs.List className={classes.list}>
            {PANELS.map((value) => (
              <Tabs.Tab key={value} value={value} className={classes.tab}>
                {strings.drawer.tabs[value]}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <CloseButton aria-label={strings.viewer.hideDetails} onClick={close} />
        </div>
        <Suspense fallback={<Loader m="md" size="sm" role="img" aria-label={strings.loading} />}>
          <Tabs.Panel value="health" className={classes.panel}>
            <HealthPanel session={session} template={template} activity={activity} />
          </Tabs.Panel>
          <Tabs.Panel value="timeline" className={classes.panel}>
            <TimelinePanel name={name} />
          </Tabs.Panel>
          <Tabs.Panel value="logs" className={classes.panel}>
            <LogsPanel name={name} workload={session.status?.workload?.name} />
          </Tabs.Panel>
          <Tabs.Panel value="usage" className={classes.panel}>
            <UsagePanel session={session} template={template} activity={activity} />
          </Tabs.Panel>
          <Tabs.Panel value="people" className={classes.panel}>
            <PeoplePanel name={name} />
          </Tabs.Panel>
        </Suspense>
      </Tabs>
    </aside>
  )
}
