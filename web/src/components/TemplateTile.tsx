import { Skeleton, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { Template } from '~/api/types'
import { strings } from '~/strings'
import { TemplateIcon } from './TemplateIcon'
import classes from './TemplateTile.module.css'

/** A template in one line, to be launched with one click; for the home page. */
export function TemplateTile({ template }: { template: Template }) {
  const { name } = template.metadata
  return (
    <Link to="/templates/$name" params={{ name }} className={classes.tile}>
      <TemplateIcon template={template} name={name} />
      <span className={classes.words}>
        <Text span fw={600} size="sm" truncate>
          <span className="visually-hidden">{strings.templates.launch}</span> {template.spec.displayName}
        </Text>
        <Text span size="xs" c="dimmed" lineClamp={2}>
          {template.spec.description ?? template.spec.category}
        </Text>
      </span>
    </Link>
  )
}

export function TemplateTileSkeleton() {
  return (
    <div className={classes.tile} aria-hidden="true">
      <Skeleton w={40} h={40} />
      <span className={classes.words}>
        <Skeleton w={110} h={12} mb={8} />
        <Skeleton w={150} h={10} />
      </span>
    </div>
  )
}
