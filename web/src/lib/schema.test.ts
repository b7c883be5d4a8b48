import { describe, expect, it } from 'vitest'
import type { JsonSchema } from '~/api/types'
import { defaultsOf, fieldsOf, mistakeIn, parametersOf } from './schema'

const SCHEMA: JsonSchema = {
  type: 'object',
  required: ['branch'],
  properties: {
    workers: { type: 'integer', minimum: 1, maximum: 4, default: 2 },
    branch: { type: 'string', title: 'Branch', pattern: '^[a-z]+$', maxLength: 8 },
    mode: { enum: ['fast', 'slow'] },
    extra: { type: 'array', items: { type: 'string' } },
    raw: { type: 'object', default: { a: 1 } },
    gpu: { type: 'boolean' },
    secret: { type: 'string', format: 'password' },
  },
}

function field(name: string) {
  const found = fieldsOf(SCHEMA).find((candidate) => candidate.name === name)
  if (!found) throw new Error(`no field ${name}`)
  return found
}

describe('the launch form of a JSON schema', () => {
  it('asks for what is required first, each property in its own way', () => {
    expect(fieldsOf(SCHEMA).map(({ name, kind }) => `${name}: ${kind}`)).toEqual([
      'branch: text',
      'workers: number',
      'mode: choice',
      'extra: list',
      'raw: json',
      'gpu: switch',
      'secret: secret',
    ])
    expect(fieldsOf(undefined)).toEqual([])
  })

  it('starts with the schema’s defaults', () => {
    expect(defaultsOf(fieldsOf(SCHEMA))).toEqual({ workers: 2, raw: '{"a":1}', gpu: false })
  })

  it.each([
    ['branch', '', 'Required'],
    ['branch', 'MAIN', 'Must match ^[a-z]+$'],
    ['branch', 'muchtoolong', 'At most 8 characters'],
    ['branch', 'main', undefined],
    ['workers', 0, 'At least 1'],
    ['workers', 5, 'At most 4'],
    ['workers', 1.5, 'A whole number'],
    ['workers', '', undefined],
    ['raw', '{', 'Not valid JSON'],
    ['raw', '{}', undefined],
  ])('says what is wrong with %s = %j: %s', (name, value, mistake) => {
    expect(mistakeIn(field(name), value)).toBe(mistake)
  })

  it('leaves a pattern that this browser cannot read to the server', () => {
    const unreadable = { ...field('branch'), schema: { pattern: '(?<!' } }
    expect(mistakeIn(unreadable, 'anything')).toBeUndefined()
  })

  it('sends what was filled in, in its own type, and nothing else', () => {
    const values = { branch: 'main', workers: 3, mode: undefined, extra: [], raw: '{"a":2}', gpu: false, secret: '' }
    expect(parametersOf(fieldsOf(SCHEMA), values)).toEqual({ branch: 'main', workers: 3, raw: { a: 2 }, gpu: false })
  })
})
