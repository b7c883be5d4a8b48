import { ActionIcon, Menu, Tooltip } from '@mantine/core'
import { IconKeyboard } from '@tabler/icons-react'
import { useState } from 'react'
import { strings } from '~/strings'
import type { DesktopLink } from './desktopLink'
import { COMBINATIONS, labelOf, MODIFIERS, type Key } from './keys'
import { ScreenKeyboard } from './ScreenKeyboard'

const words = strings.viewer

/** Keys that the browser would keep, modifiers to hold down, and the keyboard of a phone. */
export function KeysMenu({ link }: { link: DesktopLink }) {
  const [held, setHeld] = useState<readonly Key[]>([])
  const [keyboard, setKeyboard] = useState(false)
  const toggle = (key: Key) => {
    const down = !held.includes(key)
    link.hold(key, down)
    setHeld(down ? [...held, key] : held.filter((other) => other !== key))
  }
  return (
    <>
      <Menu closeOnItemClick={false} onExitTransitionEnd={() => link.focus()}>
        <Menu.Target>
          <Tooltip label={words.keys}>
            <ActionIcon variant={held.length > 0 ? 'light' : 'subtle'} color="gray" size="lg" aria-label={words.keys}>
              <IconKeyboard size={18} />
            </ActionIcon>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label maw={230}>{words.keysText}</Menu.Label>
          <Menu.Label maw={230}>{words.wayOut}</Menu.Label>
          {COMBINATIONS.map((combination) => (
            <Menu.Item key={labelOf(combination)} closeMenuOnClick onClick={() => link.press(combination)}>
              {labelOf(combination)}
            </Menu.Item>
          ))}
          <Menu.Divider />
          {MODIFIERS.map((key) => (
            <Menu.CheckboxItem key={key.label} checked={held.includes(key)} onChange={() => toggle(key)}>
              {words.hold(key.label)}
            </Menu.CheckboxItem>
          ))}
          <Menu.Divider />
          <Menu.Item closeMenuOnClick onClick={() => setKeyboard(true)}>
            {words.keyboard}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {keyboard && <ScreenKeyboard link={link} onClose={() => setKeyboard(false)} />}
    </>
  )
}
