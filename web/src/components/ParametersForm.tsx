import { NumberInput, Select, Switch, TagsInput, Textarea, TextInput } from '@mantine/core'
import type { Field, Values } from '~/lib/schema'
import { strings } from '~/strings'
import { PasswordField } from './PasswordField'

interface Props {
  fields: readonly Field[]
  values: Values
  /** By the field's name, in words. */
  mistakes: Readonly<Record<string, string | undefined>>
  onChange: (name: string, value: unknown) => void
}

/** The launch form that a template's JSON schema asks for. */
export function ParametersForm({ fields, values, mistakes, onChange }: Props) {
  return fields.map((field) => (
    <FieldInput
      key={field.name}
      field={field}
      value={values[field.name]}
      mistake={mistakes[field.name]}
      onChange={(value) => onChange(field.name, value)}
    />
  ))
}

interface FieldProps {
  field: Field
  value: unknown
  mistake: string | undefined
  onChange: (value: unknown) => void
}

function FieldInput({ field, value, mistake, onChange }: FieldProps) {
  const { label, hint, kind, schema, required } = field
  const common = { label, description: hint, error: mistake, required, withAsterisk: required }
  const text = typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value)
  const onText = (event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value)
  switch (kind) {
    case 'switch':
      return (
        <Switch
          label={label}
          description={hint}
          error={mistake}
          checked={value === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      )
    case 'number':
      return (
        <NumberInput
          {...common}
          value={typeof value === 'number' || typeof value === 'string' ? value : ''}
          min={schema.minimum}
          max={schema.maximum}
          clampBehavior="none"
          allowDecimal={schema.type !== 'integer'}
          onChange={onChange}
        />
      )
    case 'choice':
      return <ChoiceInput {...common} schema={schema} value={value} onChange={onChange} />
    case 'list':
      return <TagsInput {...common} value={Array.isArray(value) ? value.map(String) : []} onChange={onChange} />
    case 'secret':
      return <PasswordField {...common} value={text} autoComplete="off" onChange={onText} />
    case 'long':
      return <Textarea {...common} autosize minRows={3} maxRows={12} value={text} onChange={onText} />
    case 'json':
      return (
        <Textarea
          {...common}
          description={hint ?? strings.launch.json}
          autosize
          minRows={3}
          maxRows={12}
          value={text}
          onChange={onText}
        />
      )
    case 'text':
      return <TextInput {...common} value={text} maxLength={schema.maxLength} onChange={onText} />
  }
}

interface ChoiceProps {
  label: string
  description: string | undefined
  error: string | undefined
  required: boolean
  schema: Field['schema']
  value: unknown
  onChange: (value: unknown) => void
}

/** Choices may be of any type; the list works on their texts. */
function ChoiceInput({ schema, value, onChange, ...common }: ChoiceProps) {
  const options = (schema.enum ?? []).map((option) => (typeof option === 'string' ? option : JSON.stringify(option)))
  const chosen = schema.enum?.findIndex((option) => option === value) ?? -1
  return (
    <Select
      {...common}
      data={options}
      value={options[chosen] ?? null}
      clearable={!common.required}
      searchable={options.length > 10}
      onChange={(text) => onChange(text === null ? undefined : schema.enum?.[options.indexOf(text)])}
    />
  )
}
