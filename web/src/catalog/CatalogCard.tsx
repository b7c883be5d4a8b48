import { Text } from '@mantine/core'
import { IconArrowUp, IconCheck, IconFlask2 } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import type { CatalogTemplate } from '~/api/types'
import { Tags } from '~/components/Tags'
import { Icon } from '~/components/TemplateIcon'
import card from '~/components/TemplateCard.module.css'
import { strings } from '~/strings'
import classes from './CatalogCard.module.css'

const words = strings.catalog
const MOST_TAGS = 3

/** A template of the catalog: what one would get, from where, and whether it is here. */
export function CatalogCard({ template }: { template: CatalogTemplate }) {
  const { id, displayName, description, category, repositoryName, tags, icon, name, installs } = template
  return (
    <article className={card.card} aria-label={displayName} data-ready>
      <div className={card.head}>
        <Icon icon={icon} words={[name, category, tags.join(' ')]} size={44} />
        <div className={card.names}>
          <Link to="/admin/catalog/templates/$id" params={{ id }} className={card.title}>
            {displayName}
          </Link>
          <Text size="xs" c="dimmed" truncate>
            {[category, words.from(repositoryName)].filter(Boolean).join(' · ')}
          </Text>
        </div>
      </div>
      <Text size="sm" className={card.text} lineClamp={3}>
        {description === '' ? strings.templates.noDescription : description}
      </Text>
      <div className={classes.foot}>
        <Tags tags={tags} most={MOST_TAGS} />
        <span className={classes.aside}>
          {template.unverified && (
            <span className={classes.mark} data-unverified title={words.unverifiedText}>
              <IconFlask2 size={14} stroke={2} aria-hidden />
              {words.unverified}
            </span>
          )}
          {template.installed.length > 0 ? (
            <InstalledMark template={template} />
          ) : (
            installs > 0 && (
              <Text span size="xs" c="dimmed">
                {words.installs(installs)}
              </Text>
            )
          )}
        </span>
      </div>
    </article>
  )
}

/** Whether every place where it is installed has its latest version. */
export function InstalledMark({ template: { installed, version } }: { template: CatalogTemplate }) {
  const behind = installed.some((place) => place.version !== version)
  const Mark = behind ? IconArrowUp : IconCheck
  return (
    <span className={classes.mark} data-behind={behind || undefined}>
      <Mark size={14} stroke={2.5} aria-hidden />
      {behind ? words.update : words.installed}
    </span>
  )
}
