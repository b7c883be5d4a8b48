import { Button, Checkbox, Group, Modal, NumberInput, Select, Stack, Text } from '@mantine/core'
import { IconDoorExit } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { DrainWish, Node } from '~/api/types'
import { Note } from '~/components/Note'
import { ProblemAlert } from '~/components/ProblemAlert'
import { TableSkeleton } from '~/components/TableSkeleton'
import { say } from '~/lib/notices'
import { strings } from '~/strings'
import { useDrain } from './actions'
import { DrainPods } from './DrainPods'
import { DrainSessions } from './DrainSessions'
import { drainPlanQuery } from './queries'

const words = strings.nodes
type Strategy = NonNullable<DrainWish['strategy']>
const STRATEGIES = Object.keys(words.strategies) as Strategy[]
const USUAL_MINUTES = 5
const MOST_MINUTES = 1440
/** What all of it may take beyond the time that people are given. */
const ROOM_S = 3_600

export function DrainButton({ node }: { node: Node }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button variant="default" leftSection={<IconDoorExit size={16} />} onClick={() => setOpen(true)}>
        {words.drain}
      </Button>
      {open && <DrainDialog node={node} onClose={() => setOpen(false)} />}
    </>
  )
}

/** Shows what would happen, by the choices made so far, before anything does. */
function DrainDialog({ node: { name, pods }, onClose }: { node: Node; onClose: () => void }) {
  const [strategy, setStrategy] = useState<Strategy>('hibernate')
  const [minutes, setMinutes] = useState(USUAL_MINUTES)
  const [force, setForce] = useState(false)
  const [deleteEmptyDirData, setDeleteEmptyDirData] = useState(false)
  const wish: DrainWish = {
    strategy,
    warnMinutes: minutes,
    timeoutSeconds: minutes * 60 + ROOM_S,
    gracePeriodSeconds: null,
    ignoreDaemonSets: true,
    deleteEmptyDirData,
    force,
  }
  const plan = useQuery({ ...drainPlanQuery(name, wish), placeholderData: keepPreviousData })
  const drain = useDrain(name)
  const start = () =>
    drain.mutate(wish, {
      onSuccess: () => {
        say(words.drainStarted(name))
        onClose()
      },
    })
  return (
    <Modal opened onClose={onClose} title={words.drainTitle(name)} size="lg">
      <Stack>
        <Text size="sm">{words.drainText}</Text>
        <Select
          label={words.strategy}
          allowDeselect={false}
          data={STRATEGIES.map((value) => ({ value, label: words.strategies[value] }))}
          value={strategy}
          onChange={(value) => value && setStrategy(value)}
        />
        {strategy !== 'wait' && (
          <NumberInput
            label={words.warnMinutes}
            description={words.warnHint}
            min={0}
            max={MOST_MINUTES}
            clampBehavior="strict"
            allowDecimal={false}
            value={minutes}
            onChange={(value) => setMinutes(typeof value === 'number' ? value : 0)}
          />
        )}
        {typeof pods === 'number' && (
          <>
            <Checkbox label={words.force} checked={force} onChange={(event) => setForce(event.currentTarget.checked)} />
            <Checkbox
              label={words.deleteEmptyDirData}
              checked={deleteEmptyDirData}
              onChange={(event) => setDeleteEmptyDirData(event.currentTarget.checked)}
            />
          </>
        )}
        {plan.isPending && <TableSkeleton rows={2} />}
        {plan.error && <ProblemAlert problem={plan.error} onRetry={() => void plan.refetch()} />}
        {plan.data?.obstacles.map((text) => <Note key={text} title={words.impossible} text={text} />)}
        {plan.data?.possible && plan.data.sessions.length === 0 && <Text size="sm">{words.planNothing}</Text>}
        {plan.data?.possible && plan.data.sessions.length > 0 && (
          <DrainSessions label={words.plan} sessions={plan.data.sessions} />
        )}
        {plan.data && <DrainPods label={words.planPods} pods={plan.data.pods} />}
        {drain.error && <ProblemAlert problem={drain.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {strings.cancel}
          </Button>
          <Button loading={drain.isPending} disabled={!plan.data?.possible} onClick={start}>
            {words.drainStart}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
