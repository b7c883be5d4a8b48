import type { JsonSchema } from '~/api/types'
import { strings } from '~/strings'

/** How a property of the launch form is asked for. */
export type FieldKind = 'text' | 'secret' | 'long' | 'number' | 'switch' | 'choice' | 'list' | 'json'

export interface Field {
  name: string
  label: string
  hint: string | undefined
  kind: FieldKind
  schema: JsonSchema
  required: boolean
}

export type Values = Readonly<Record<string, unknown>>

/** The fields of a template's `parameters`, required ones first, in the order of the schema. */
export function fieldsOf(schema: JsonSchema | undefined): Field[] {
  const required = new Set(schema?.required)
  const fields = Object.entries(schema?.properties ?? {}).map(([name, property]) => ({
    name,
    label: property.title ?? name,
    hint: property.description,
    kind: kindOf(property),
    schema: property,
    required: required.has(name),
  }))
  return fields.sort((a, b) => Number(b.required) - Number(a.required))
}

function kindOf(schema: JsonSchema): FieldKind {
  const type = typeOf(schema)
  if (schema.enum) return 'choice'
  if (type === 'boolean') return 'switch'
  if (type === 'integer' || type === 'number') return 'number'
  if (type === 'array' && typeOf(schema.items ?? {}) === 'string') return 'list'
  if (type === 'array' || type === 'object') return 'json'
  if (schema.format === 'password') return 'secret'
  return schema.format === 'textarea' ? 'long' : 'text'
}

function typeOf(schema: JsonSchema): string | undefined {
  return Array.isArray(schema.type) ? schema.type.find((type) => type !== 'null') : schema.type
}

/** What the form starts with. A required choice with a single possibility is already made. */
export function defaultsOf(fields: readonly Field[]): Values {
  const values: Record<string, unknown> = {}
  for (const { name, kind, schema, required } of fields) {
    if (schema.default !== undefined) values[name] = kind === 'json' ? JSON.stringify(schema.default) : schema.default
    else if (kind === 'switch') values[name] = false
    else if (kind === 'choice' && required && schema.enum?.length === 1) values[name] = schema.enum[0]
  }
  return values
}

function isBlank(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}

/** What is wrong with a value, in words, or nothing. The server checks the whole schema; this spares the way there. */
export function mistakeIn(field: Field, value: unknown): string | undefined {
  const words = strings.launch
  if (isBlank(value)) return field.required ? words.required : undefined
  if (field.kind === 'number') return mistakeInNumber(field.schema, value)
  if (field.kind === 'json') return isJson(value) ? undefined : words.notJson
  return typeof value === 'string' ? mistakeInText(field.schema, value) : undefined
}

function mistakeInNumber(schema: JsonSchema, value: unknown): string | undefined {
  const words = strings.launch
  if (typeof value !== 'number' || Number.isNaN(value)) return words.invalidNumber
  if (typeOf(schema) === 'integer' && !Number.isInteger(value)) return words.whole
  if (schema.minimum !== undefined && value < schema.minimum) return words.atLeast(schema.minimum)
  if (schema.maximum !== undefined && value > schema.maximum) return words.atMost(schema.maximum)
  return undefined
}

function mistakeInText({ minLength, maxLength, pattern }: JsonSchema, value: string): string | undefined {
  const words = strings.launch
  const length = Array.from(value).length
  if (minLength !== undefined && length < minLength) return words.tooShort(minLength)
  if (maxLength !== undefined && length > maxLength) return words.tooLong(maxLength)
  return pattern === undefined || matches(pattern, value) ? undefined : words.pattern(pattern)
}

/** Patterns come from templates: one that this browser cannot read is left to the server. */
function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value)
  } catch {
    return true
  }
}

function isJson(value: unknown): boolean {
  try {
    JSON.parse(String(value))
    return true
  } catch {
    return false
  }
}

/** The values as the API wants them: blanks left out, JSON parsed. Call it once there is no mistake. */
export function parametersOf(fields: readonly Field[], values: Values): Record<string, unknown> {
  const filled = fields.filter(({ name }) => !isBlank(values[name]))
  return Object.fromEntries(
    filled.map(({ name, kind }) => [name, kind === 'json' ? JSON.parse(String(values[name])) : values[name]]),
  )
}
