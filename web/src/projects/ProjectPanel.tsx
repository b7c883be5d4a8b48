import { ActionIcon, Button, Group as Row, Menu, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core'
import { IconDotsVertical, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useId, useState, type SubmitEvent } from 'react'
import { useMe } from '~/api/hooks'
import type { Project, ProjectMember } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { QuotaMeters } from '~/components/QuotaMeters'
import { nameOf } from '~/lib/people'
import { maySetQuotas, mayWriteProjects } from '~/lib/permissions'
import { limitedBy } from '~/lib/quota'
import classes from '~/people/GroupDialogs.module.css'
import { strings } from '~/strings'
import layout from '~/styles/layout.module.css'
import type { ProjectDialog } from './ProjectsPage'
import { projectMembersQuery, projectQuotaQuery, useMembership } from './queries'

const words = strings.projects

interface Props {
  project: Project
  onDialog: (dialog: ProjectDialog) => void
}

/** A project: what is used of its limits, and who belongs to it. */
export function ProjectPanel({ project, onDialog }: Props) {
  const id = useId()
  const me = useMe()
  const { data: quota, error } = useQuery(projectQuotaQuery(project.name))
  return (
    <section className={layout.panel} aria-labelledby={id}>
      <Row justify="space-between" wrap="nowrap" align="flex-start" mb="sm">
        <div>
          <Title order={2} id={id} fz={16}>
            {nameOf(project)}
          </Title>
          <Text size="xs" c="dimmed">
            {project.name}
          </Text>
        </div>
        {mayWriteProjects(me) && (
          <Menu>
            <Menu.Target>
              <ActionIcon variant="subtle" color="gray" aria-label={strings.people.menu(nameOf(project))}>
                <IconDotsVertical size={18} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              {maySetQuotas(me) && (
                <Menu.Item onClick={() => onDialog({ kind: 'quota', project })}>{strings.quota.menu}</Menu.Item>
              )}
              <Menu.Item c="var(--state-bad)" onClick={() => onDialog({ kind: 'delete', project })}>
                {strings.delete}
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        )}
      </Row>
      <Stack>
        {error && <ProblemAlert problem={error} />}
        {quota && limitedBy(quota).length === 0 && (
          <Text size="sm" c="dimmed">
            {words.unlimited}
          </Text>
        )}
        {quota && (
          <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="lg">
            <QuotaMeters quota={quota} />
          </SimpleGrid>
        )}
        <Members project={project} />
      </Stack>
    </section>
  )
}

function Members({ project }: { project: Project }) {
  const me = useMe()
  const { data: members, error } = useQuery(projectMembersQuery(project.name))
  const change = useMembership(project.name)
  const own = members?.find(({ name }) => name === me.name)
  const may = own?.role === 'manager' || mayWriteProjects(me)
  return (
    <div>
      <Title order={3} fz={14} mb={4}>
        {words.members}
      </Title>
      {error && <ProblemAlert problem={error} />}
      {members?.length === 0 && (
        <Text size="sm" c="dimmed">
          {strings.groups.nobody}
        </Text>
      )}
      {members && members.length > 0 && (
        <ul className={classes.members} aria-label={strings.groups.membersOf(nameOf(project))}>
          {members.map((member) => (
            <Member
              key={member.name}
              member={member}
              onRole={may ? (role) => change.mutate({ user: member.name, role }) : undefined}
              onOut={may || member.name === me.name ? () => change.mutate({ user: member.name, role: undefined }) : undefined}
            />
          ))}
        </ul>
      )}
      {may && <AddMember busy={change.isPending} onAdd={(user) => change.mutate({ user, role: 'member' })} />}
      {change.error && <ProblemAlert problem={change.error} />}
    </div>
  )
}

interface MemberProps {
  member: ProjectMember
  onRole: ((role: ProjectMember['role']) => void) | undefined
  onOut: (() => void) | undefined
}

function Member({ member, onRole, onOut }: MemberProps) {
  const other = member.role === 'manager' ? 'member' : 'manager'
  return (
    <li className={classes.member}>
      <span>
        <Text span size="sm" fw={600}>
          {nameOf(member)}
        </Text>{' '}
        <Text span size="xs" c="dimmed">
          {nameOf(member) === member.name ? '' : `${member.name} · `}
          {words.roles[member.role]}
        </Text>
      </span>
      <Row gap={4} wrap="nowrap">
        {onRole && (
          <Button size="compact-xs" variant="subtle" onClick={() => onRole(other)}>
            {words.make[other]}
          </Button>
        )}
        {onOut && (
          <ActionIcon variant="subtle" color="gray" aria-label={strings.groups.remove(nameOf(member))} onClick={onOut}>
            <IconX size={16} />
          </ActionIcon>
        )}
      </Row>
    </li>
  )
}

/** A manager need not see who there is, so a name is typed. */
function AddMember({ busy, onAdd }: { busy: boolean; onAdd: (user: string) => void }) {
  const [name, setName] = useState('')
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    onAdd(name.trim())
    setName('')
  }
  return (
    <form onSubmit={submit}>
      <Row gap="xs" align="flex-end" mt="xs">
        <TextInput
          size="xs"
          label={strings.groups.addMember}
          placeholder={strings.people.name}
          autoCapitalize="none"
          spellCheck={false}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Button size="xs" type="submit" variant="default" loading={busy} disabled={name.trim() === ''}>
          {strings.groups.create}
        </Button>
      </Row>
    </form>
  )
}
