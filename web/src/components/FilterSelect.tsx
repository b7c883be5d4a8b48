import { Select } from '@mantine/core'

interface Props<Value extends string> {
  className: string | undefined
  label: string
  /** What stands there while nothing is chosen. */
  any: string
  options: readonly (Value | { value: Value; label: string })[]
  value: Value | undefined
  onChange: (value: Value | undefined) => void
  searchable?: boolean
}

/** One value that a list is narrowed to, or any. */
export function FilterSelect<Value extends string>(props: Props<Value>) {
  const { className, label, any, options, value, onChange, searchable = false } = props
  return (
    <Select
      className={className}
      aria-label={label}
      placeholder={any}
      clearable
      searchable={searchable}
      data={[...options]}
      value={value ?? null}
      onChange={(chosen) => onChange(chosen ?? undefined)}
    />
  )
}
