import { Button, Group, Modal, Select, Stack, Switch, TextInput } from '@mantine/core'
import { useState, type SubmitEvent } from 'react'
import type { Mapping, Role } from '~/api/types'
import { ProblemAlert } from '~/components/ProblemAlert'
import { say } from '~/lib/notices'
import { ROLES } from '~/lib/permissions'
import { strings } from '~/strings'
import { useRemoveMapping, useSaveMapping } from './queries'

const words = strings.sso

interface Props {
  /** Absent: a new one. */
  rule: Mapping | undefined
  /** The provider that a new one is about. */
  issuer: string | undefined
  onClose: () => void
}

/** Makes a rule, changes it or removes it. */
export function MappingDialog({ rule, issuer: configured = '', onClose }: Props) {
  const [issuer, setIssuer] = useState(rule?.issuer ?? configured)
  const [principal, setPrincipal] = useState(rule?.principal ?? '')
  const [team, setTeam] = useState(rule?.team ?? '')
  const [role, setRole] = useState<Role | null>(rule?.role ?? null)
  const [enabled, setEnabled] = useState(rule?.enabled ?? true)
  const save = useSaveMapping()
  const remove = useRemoveMapping()
  const done = (message: string) => () => {
    say(message)
    onClose()
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const body = { issuer: issuer.trim(), principal: principal.trim(), team: team.trim() || null, role, enabled }
    save.mutate({ id: rule?.id, body }, { onSuccess: done(words.saved) })
  }
  const error = save.error ?? remove.error
  return (
    <Modal opened onClose={onClose} title={rule ? words.editNamed(rule.principal) : words.add}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <TextInput
            label={words.issuer}
            error={error?.about('issuer')}
            value={issuer}
            onChange={(event) => setIssuer(event.currentTarget.value)}
          />
          <TextInput
            label={words.principal}
            description={words.principalHint}
            spellCheck={false}
            error={error?.about('principal')}
            value={principal}
            onChange={(event) => setPrincipal(event.currentTarget.value)}
          />
          <Select
            label={words.role}
            placeholder={words.noRole}
            clearable
            error={error?.about('role')}
            data={ROLES.map((value) => ({ value, label: strings.roles[value] ?? value }))}
            value={role}
            onChange={(value) => setRole(ROLES.find((known) => known === value) ?? null)}
          />
          <TextInput
            label={words.team}
            description={words.teamHint}
            error={error?.about('team')}
            value={team}
            onChange={(event) => setTeam(event.currentTarget.value)}
          />
          <Switch label={words.enabled} checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} />
          {error && error.fields.length === 0 && <ProblemAlert problem={error} />}
          <Group justify="flex-end">
            {rule && (
              <Button
                variant="subtle"
                color="red"
                mr="auto"
                loading={remove.isPending}
                onClick={() => remove.mutate(rule.id, { onSuccess: done(words.removed) })}
              >
                {words.remove}
              </Button>
            )}
            <Button variant="default" onClick={onClose}>
              {strings.cancel}
            </Button>
            <Button type="submit" loading={save.isPending} disabled={principal.trim() === '' || issuer.trim() === ''}>
              {words.save}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
