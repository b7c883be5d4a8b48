import { TextInput, type TextInputProps } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { useState } from 'react'

interface Props extends Omit<TextInputProps, 'value' | 'onChange' | 'type'> {
  label: string
  value: string
  onSearch: (value: string) => void
}

const TYPING_MS = 120

/** A search that stands in the address: what is typed shows at once, the address follows when typing pauses. */
export function SearchInput({ label, value, onSearch, ...rest }: Props) {
  const [draft, setDraft] = useState<string>()
  const commit = useDebouncedCallback(onSearch, TYPING_MS)
  // Once the address has caught up it is the only truth again, so that "back" shows in the field.
  if (draft !== undefined && draft === value) setDraft(undefined)
  return (
    <TextInput
      type="search"
      leftSection={<IconSearch size={16} aria-hidden />}
      aria-label={label}
      placeholder={label}
      {...rest}
      value={draft ?? value}
      onChange={(event) => {
        setDraft(event.currentTarget.value)
        commit(event.currentTarget.value)
      }}
    />
  )
}
