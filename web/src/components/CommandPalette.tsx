import { Combobox, Modal, Text, TextInput, useCombobox, useMantineColorScheme } from '@mantine/core'
import { IconArrowRight, IconMoon, IconPlayerPlay, IconSearch, IconSunMoon } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, type LinkProps } from '@tanstack/react-router'
import { useEffect, useEffectEvent, type ReactNode } from 'react'
import { useMe, usePatchSession } from '~/api/hooks'
import { sessionsQuery, templatesQuery } from '~/api/queries'
import { complain } from '~/lib/notices'
import { mayChange } from '~/lib/permissions'
import { canStop, canWake, isOver, phaseOf, titleOf } from '~/lib/session'
import { canLaunch } from '~/lib/template'
import { strings } from '~/strings'
import classes from './CommandPalette.module.css'
import { usePages } from './MainNav'
import { StateBadge } from './StateBadge'
import { TemplateIcon } from './TemplateIcon'

interface Command {
  id: string
  label: string
  /** Found by these words as well. */
  words?: string
  icon: ReactNode
  aside?: ReactNode
  run: () => void
}

interface Group {
  label: string
  commands: Command[]
}

const MOST_PER_GROUP = 8
const words = strings.palette

interface Props {
  search: string
  onSearch: (search: string) => void
  /** Whether Enter was pressed before the palette had come up. */
  entered: boolean
  /** Called once what is typed arrives in the field. */
  onReady: () => void
  onClose: () => void
}

/** Finds sessions, templates, pages and actions by typing; works from the keyboard alone. */
export default function CommandPalette({ search, onSearch, entered, onReady, onClose }: Props) {
  const combobox = useCombobox({ defaultOpened: true })
  const groups = useCommands()
    .map((group) => ({ ...group, commands: bestFirst(group.commands.filter(matching(search)), search) }))
    .filter((group) => group.commands.length > 0)
    .sort((a, b) => Math.min(...a.commands.map(distance(search))) - Math.min(...b.commands.map(distance(search))))
    .map((group) => ({ ...group, commands: group.commands.slice(0, MOST_PER_GROUP) }))
  const all = groups.flatMap((group) => group.commands)
  const submit = (id: string | undefined) => {
    onClose()
    all.find((command) => command.id === id)?.run()
  }
  const first = all[0]?.id
  const run = useEffectEvent(submit)
  useEffect(() => {
    if (entered && first !== undefined) run(first)
  }, [entered, first])
  // Enter takes the first that fits, without an arrow key before it.
  const { selectFirstOption } = combobox
  useEffect(() => {
    selectFirstOption()
  }, [search, all.length, selectFirstOption])
  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      padding={0}
      size={560}
      yOffset="12vh"
      centered={false}
      attributes={{ content: { 'aria-label': words.label } }}
    >
      <Combobox store={combobox} onOptionSubmit={submit}>
        <Combobox.EventsTarget>
          <TextInput
            data-autofocus
            variant="unstyled"
            size="md"
            className={classes.input}
            leftSection={<IconSearch size={18} aria-hidden />}
            aria-label={words.label}
            placeholder={words.placeholder}
            value={search}
            onFocus={onReady}
            // The list is always there, so the first Escape is meant for the whole of it.
            onKeyDown={(event) => event.key === 'Escape' && onClose()}
            onChange={(event) => onSearch(event.currentTarget.value)}
          />
        </Combobox.EventsTarget>
        <div className={classes.results}>
          <Combobox.Options aria-label={words.label} className={classes.scroll} tabIndex={0}>
              {groups.map((group) => (
                <Combobox.Group key={group.label} label={group.label}>
                  {group.commands.map((command) => (
                    <Combobox.Option key={command.id} value={command.id} className={classes.option}>
                      <span className={classes.icon}>{command.icon}</span>
                      <Text span size="sm" truncate className={classes.label}>
                        {command.label}
                      </Text>
                      {command.aside}
                    </Combobox.Option>
                  ))}
                </Combobox.Group>
              ))}
              {all.length === 0 && <Combobox.Empty>{words.empty}</Combobox.Empty>}
          </Combobox.Options>
        </div>
      </Combobox>
    </Modal>
  )
}

function matching(search: string): (command: Command) => boolean {
  const parts = search.toLocaleLowerCase().split(/\s+/)
  return ({ label, words: more = '' }) => {
    const text = `${label} ${more}`.toLocaleLowerCase()
    return parts.every((part) => text.includes(part))
  }
}

/** How far a command is from what was typed: said word for word, begun with, in its name, or among its other words. */
function distance(search: string): ({ label }: Command) => number {
  const needle = search.trim().toLocaleLowerCase()
  return ({ label }) => {
    const text = label.toLocaleLowerCase()
    return needle === '' || text === needle ? 0 : text.startsWith(needle) ? 1 : text.includes(needle) ? 2 : 3
  }
}

function bestFirst(commands: readonly Command[], search: string): Command[] {
  const from = distance(search)
  return commands.toSorted((a, b) => from(a) - from(b))
}

function useCommands(): Group[] {
  const navigate = useNavigate()
  const { own, administration } = usePages()
  const { setColorScheme } = useMantineColorScheme()
  const go = (to: LinkProps['to']) => () => void navigate({ to })
  const pages = [...own, ...administration, { to: '/profile' as const, label: strings.nav.profile, icon: IconArrowRight }]
  const schemes = { dark: words.dark, light: words.light, auto: words.auto } as const
  const { open, launch, actions } = useSessionCommands()
  return [
    { label: words.sessions, commands: open },
    { label: words.templates, commands: launch },
    {
      label: words.pages,
      commands: pages.map(({ to, label, icon: Glyph }) => ({
        id: `page ${String(to)}`,
        label,
        icon: <Glyph size={18} stroke={1.7} />,
        run: go(to),
      })),
    },
    {
      label: words.actions,
      commands: [
        ...actions,
        ...(['dark', 'light', 'auto'] as const).map((scheme) => ({
          id: `theme ${scheme}`,
          label: schemes[scheme],
          icon: <IconSunMoon size={18} stroke={1.7} />,
          run: () => setColorScheme(scheme),
        })),
      ],
    },
  ]
}

/** Sessions to open, templates to launch, and what can be done with a session by its name. */
function useSessionCommands(): Record<'open' | 'launch' | 'actions', Command[]> {
  const navigate = useNavigate()
  const me = useMe()
  const patch = usePatchSession()
  const sessions = useQuery(sessionsQuery).data ?? []
  const templates = useQuery(templatesQuery).data ?? []
  const named = new Map(templates.map((template) => [template.metadata.name, template]))
  const set = (name: string, state: 'running' | 'hibernated') => () =>
    patch.mutate({ name, patch: { state } }, { onError: complain })
  const open: Command[] = []
  const actions: Command[] = []
  for (const session of sessions) {
    const { name } = session.metadata
    const phase = phaseOf(session)
    if (isOver(phase)) continue
    const template = named.get(session.spec.template)
    const title = titleOf(session, template)
    open.push({
      id: `session ${name}`,
      label: title,
      words: `${name} ${session.spec.template} ${session.spec.user}`,
      icon: <TemplateIcon template={template} name={session.spec.template} size={24} />,
      aside: <StateBadge phase={phase} />,
      run: () => void navigate({ to: '/sessions/$id', params: { id: name } }),
    })
    if (!mayChange(me, session)) continue
    if (canWake(phase)) {
      const icon = <IconPlayerPlay size={18} stroke={1.7} />
      actions.push({ id: `wake ${name}`, label: words.wake(title), words: name, icon, run: set(name, 'running') })
    } else if (canStop(phase)) {
      const icon = <IconMoon size={18} stroke={1.7} />
      actions.push({ id: `stop ${name}`, label: words.stop(title), words: name, icon, run: set(name, 'hibernated') })
    }
  }
  const launch = templates.filter(canLaunch).map((template) => ({
    id: `template ${template.metadata.name}`,
    label: words.launch(template.spec.displayName),
    words: [template.metadata.name, template.spec.category, ...(template.spec.tags ?? [])].join(' '),
    icon: <TemplateIcon template={template} name={template.metadata.name} size={24} />,
    run: () => void navigate({ to: '/templates/$name', params: { name: template.metadata.name } }),
  }))
  return { open, launch, actions }
}
