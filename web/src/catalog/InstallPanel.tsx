import { Button, Divider, Group, Select, Stack, Text, TextInput, Title } from '@mantine/core'
import { IconArrowBackUp, IconArrowUp, IconCheck, IconDownload } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState, type SubmitEvent } from 'react'
import { useMe } from '~/api/hooks'
import type { CatalogDetail, CatalogVersion } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { complain, say } from '~/lib/notices'
import { mayInstall } from '~/lib/permissions'
import { strings } from '~/strings'
import { useInstall, useMoveTemplate } from './actions'
import { versionsQuery } from './queries'

const words = strings.catalog

/** Where the template is installed and at which version, and the way to install it. */
export function InstallPanel({ template }: { template: CatalogDetail }) {
  const versions = useQuery(versionsQuery(template.id)).data ?? [template.latest]
  const [again, setAgain] = useState(false)
  const { installed } = template
  const may = mayInstall(useMe())
  const offered = may && !template.removedAt && (installed.length === 0 || again)
  return (
    <Stack gap="md">
      <Title order={2} fz={16}>
        {installed.length === 0 ? words.installTitle : words.installed}
      </Title>
      {installed.map((place) => (
        <Place key={place.name} place={place} template={template} versions={versions} />
      ))}
      {offered && installed.length > 0 && <Divider />}
      {offered && <InstallForm template={template} versions={versions} onDone={() => setAgain(false)} />}
      {!offered && may && !template.removedAt && (
        <Button variant="subtle" size="compact-sm" onClick={() => setAgain(true)}>
          {words.installAgain}
        </Button>
      )}
      {!may && installed.length === 0 && (
        <Text size="sm" c="dimmed">
          {words.may}
        </Text>
      )}
    </Stack>
  )
}

interface PlaceProps {
  place: CatalogDetail['installed'][number]
  template: CatalogDetail
  versions: readonly CatalogVersion[]
}

/** One place in the cluster where it is installed. */
function Place({ place: { name, version }, template, versions }: PlaceProps) {
  const may = mayInstall(useMe())
  const move = useMoveTemplate()
  const present = versions.find(({ id }) => id === version)
  const { latest } = template
  const behind = version !== latest.id
  const go = (way: 'upgrade' | 'rollback', done: (name: string) => string) =>
    move.mutate({ name, way }, { onSuccess: () => say(done(name)), onError: complain })
  return (
    <div>
      <Group gap={6} wrap="nowrap">
        <IconCheck size={16} stroke={2.5} color="var(--state-ok)" aria-hidden />
        <Text size="sm" fw={600}>
          {words.installedAs(name)}
        </Text>
      </Group>
      <Text size="sm" c="dimmed">
        {present ? words.atVersion(present.number) : words.otherVersion}
        {!behind && `, ${words.latest}`}
      </Text>
      <Group gap="xs" mt="xs">
        {may && behind && (
          <Button
            size="xs"
            leftSection={<IconArrowUp size={14} />}
            loading={move.isPending}
            aria-label={words.upgradeNamed(name, latest.number)}
            onClick={() => go('upgrade', words.upgraded)}
          >
            {words.upgrade}
          </Button>
        )}
        {may && (present === undefined || present.number > 1) && (
          <Button
            size="xs"
            variant="default"
            leftSection={<IconArrowBackUp size={14} />}
            disabled={move.isPending}
            aria-label={words.rollbackNamed(name)}
            onClick={() => go('rollback', words.rolledBack)}
          >
            {words.rollback}
          </Button>
        )}
        <Button
          size="xs"
          variant="default"
          aria-label={words.openNamed(name)}
          renderRoot={(props) => <Link {...props} to="/templates/$name" params={{ name }} />}
        >
          {words.open}
        </Button>
      </Group>
    </div>
  )
}

interface InstallFormProps {
  template: CatalogDetail
  versions: readonly CatalogVersion[]
  onDone: () => void
}

function InstallForm({ template, versions, onDone }: InstallFormProps) {
  const [name, setName] = useState(template.name)
  const [version, setVersion] = useState<string | null>(null)
  const install = useInstall()
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    install.mutate(
      { catalogTemplateId: template.id, name: name.trim(), ...(version === null ? {} : { version }) },
      {
        onSuccess: ({ metadata }) => {
          say(words.installedNow(metadata.name))
          onDone()
        },
      },
    )
  }
  const wrong = install.error?.about('name')
  return (
    <form onSubmit={submit} aria-label={words.installNamed(template.displayName)}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {words.installText}
        </Text>
        <TextInput
          label={words.installName}
          description={words.installNameHint}
          error={wrong}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        {versions.length > 1 && (
          <Select
            label={words.installVersion}
            allowDeselect={false}
            data={versions.map(({ id, number, commit }) => ({
              value: id,
              label: words.versionLabel(number, id === template.latest.id ? words.latest : commit.slice(0, 8)),
            }))}
            value={version ?? template.latest.id}
            onChange={setVersion}
          />
        )}
        {install.error && wrong === undefined && <ProblemAlert problem={install.error} />}
        <Button
          type="submit"
          leftSection={<IconDownload size={16} />}
          loading={install.isPending}
          disabled={name.trim() === ''}
        >
          {words.install}
        </Button>
      </Stack>
    </form>
  )
}
