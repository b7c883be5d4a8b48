import { ActionIcon, Button, Code, CopyButton, Group, Skeleton, Text, Tooltip } from '@mantine/core'
import { IconAlertTriangle, IconCheck, IconCopy } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { Fragment } from 'react'
import type { Template } from '~/api/types'
import { invalidBecause, missingHere, missingPrograms } from '~/lib/template'
import { strings } from '~/strings'
import classes from './TemplateCard.module.css'
import { Tags } from './Tags'
import { TemplateIcon } from './TemplateIcon'

const MOST_TAGS = 4

/** A template in the gallery: what one gets in a sentence, and what is missing where it does not run. */
export function TemplateCard({ template }: { template: Template }) {
  const { name } = template.metadata
  const { displayName, description, category, tags } = template.spec
  const ready = invalidBecause(template) === undefined && missingHere(template) === undefined
  return (
    <article className={classes.card} aria-label={displayName} data-ready={ready || undefined}>
      <div className={classes.head}>
        <TemplateIcon template={template} name={name} size={44} />
        <div className={classes.names}>
          <Link to="/templates/$name" params={{ name }} className={classes.title}>
            {displayName}
          </Link>
          {category && (
            <Text size="xs" c="dimmed">
              {category}
            </Text>
          )}
        </div>
      </div>
      <Text size="sm" className={classes.text} lineClamp={3}>
        {description ?? strings.templates.noDescription}
      </Text>
      <TemplateObstacle template={template} />
      <Group justify="space-between" wrap="nowrap" mt="auto">
        <Tags tags={tags} most={MOST_TAGS} />
        {ready && (
          <Button
            size="xs"
            variant="light"
            className={classes.action}
            renderRoot={(props) => <Link {...props} to="/templates/$name" params={{ name }} />}
            aria-label={strings.templates.launchNamed(displayName)}
          >
            {strings.templates.launch}
          </Button>
        )}
      </Group>
    </article>
  )
}

/** Why a template cannot be launched, and the commands that change it. Nothing for one that can. */
export function TemplateObstacle({ template }: { template: Template }) {
  const invalid = invalidBecause(template)
  const missing = missingHere(template)
  if (invalid === undefined && !missing) return null
  return (
    <div className={classes.obstacle}>
      <IconAlertTriangle size={16} aria-hidden />
      <div className={classes.obstacleText}>
        <Text size="xs" fw={600}>
          {invalid === undefined ? strings.templates.missing : strings.templates.invalid}
        </Text>
        {invalid !== undefined && <Text size="xs">{invalid}</Text>}
        {invalid === undefined &&
          missingPrograms(missing?.message ?? '').map(({ text, command }) => (
            <Fragment key={text}>
              <Text size="xs">{text}</Text>
              {command && <Command command={command} />}
            </Fragment>
          ))}
      </div>
    </div>
  )
}

function Command({ command }: { command: string }) {
  return (
    <div className={classes.command}>
      <Code>{command}</Code>
      <CopyButton value={command}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? strings.copied : strings.templates.copyCommand}>
            <ActionIcon size="sm" variant="subtle" color="gray" onClick={copy} aria-label={strings.templates.copyCommand}>
              {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </div>
  )
}

/** As large as the card that will stand there. */
export function TemplateCardSkeleton() {
  return (
    <div className={classes.card} aria-hidden="true">
      <div className={classes.head}>
        <Skeleton w={44} h={44} />
        <div className={classes.names}>
          <Skeleton w="60%" h={14} mb={8} />
          <Skeleton w="30%" h={10} />
        </div>
      </div>
      <Skeleton h={11} />
      <Skeleton h={11} w="80%" />
      <Skeleton h={30} w={90} mt="auto" ml="auto" />
    </div>
  )
}
