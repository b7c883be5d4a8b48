import { describe, expect, it } from 'vitest'
import { aCondition, aSession, aTemplate, anActivity, me } from '~/test/fixtures'
import { startSteps } from './session'
import { inOrderOf, matches, rowsOf, sorted, type Row } from './sessionTable'
import { missingPrograms, passes, rank, resourcesOf, sizeOf, splitCommand, type GalleryFilter } from './template'

const ALL: GalleryFilter = { search: '', tags: [], runsHere: false }

describe('the gallery', () => {
  const desktop = aTemplate('desktop', { spec: { tags: ['linux', 'gui'], description: 'Windows and menus' } })
  const editor = aTemplate('editor', { missing: 'Node is missing: npm install node', spec: { category: 'Development' } })

  it('finds by every word, wherever it stands', () => {
    expect(passes(desktop, { ...ALL, search: 'MENUS linux' })).toBe(true)
    expect(passes(desktop, { ...ALL, search: 'menus cobol' })).toBe(false)
  })

  it('“runs here” leaves out what lacks a program', () => {
    expect(passes(desktop, { ...ALL, runsHere: true })).toBe(true)
    expect(passes(editor, { ...ALL, runsHere: true })).toBe(false)
    expect(passes(editor, { ...ALL, runsHere: true }, 'runsHere')).toBe(true)
  })

  it('puts names before descriptions, and what runs before what does not', () => {
    const other = aTemplate('apple', { spec: { description: 'Like a desktop' } })
    expect(rank([editor, other, desktop], 'desk').map(({ metadata }) => metadata.name)).toEqual([
      'desktop',
      'apple',
      'editor',
    ])
    expect(rank([editor, desktop], '').map(({ metadata }) => metadata.name)).toEqual(['desktop', 'editor'])
  })

  it('tells commands from the sentences around them', () => {
    expect(missingPrograms('Xvnc is missing: apt-get install tigervnc; node is missing: npm i')).toEqual([
      { text: 'Xvnc is missing.', command: 'apt-get install tigervnc' },
      { text: 'node is missing.', command: 'npm i' },
    ])
    expect(missingPrograms('It needs an engine that runs containers.')).toEqual([
      { text: 'It needs an engine that runs containers.' },
    ])
    expect(splitCommand('Install it: apt-get install x')).toEqual({ text: 'Install it: ', command: 'apt-get install x' })
    expect(splitCommand('Ask: somebody')).toEqual({ text: 'Ask: somebody' })
  })

  it('knows a size again by its amounts, however they are spelled', () => {
    expect(sizeOf(desktop, resourcesOf(desktop, 'large'))).toBe('large')
    expect(sizeOf(desktop, { cpu: '1000m', memory: '1024Mi' })).toBe('medium')
    expect(sizeOf(desktop, { cpu: '3', memory: '1Gi' })).toBeUndefined()
  })
})

describe('the sessions table', () => {
  const template = aTemplate('desktop')
  const sessions = [
    aSession('b', { created: '2026-01-02T00:00:00Z', spec: { displayName: 'Zebra', user: 'bob' } }),
    aSession('a', { phase: 'Failed', created: '2026-01-01T00:00:00Z', spec: { tags: ['blue'] } }),
    aSession('c', { phase: 'Terminated' }),
  ]
  const rows = rowsOf(sessions, new Map([['desktop', template]]), { b: anActivity('b') }, me)
  const names = (list: Row[]) => list.map(({ name }) => name)

  it('leaves ended sessions out until they are asked for', () => {
    expect(names(rows.filter((row) => matches(row, {})))).toEqual(['b', 'a'])
    expect(names(rows.filter((row) => matches(row, { phase: 'Terminated' })))).toEqual(['c'])
  })

  it('finds by name, person, template and tag', () => {
    expect(names(rows.filter((row) => matches(row, { search: 'zebra bob' })))).toEqual(['b'])
    expect(names(rows.filter((row) => matches(row, { search: 'blue' })))).toEqual(['a'])
    expect(names(rows.filter((row) => matches(row, { user: 'bob' })))).toEqual(['b'])
  })

  it('sorts both ways, trouble first by state', () => {
    const shown = rows.filter((row) => matches(row, {}))
    expect(names(sorted(shown, 'created'))).toEqual(['a', 'b'])
    expect(names(sorted(shown, '-created'))).toEqual(['b', 'a'])
    expect(names(sorted(shown, 'state'))).toEqual(['a', 'b'])
    expect(names(sorted(shown, '-usage'))).toEqual(['b', 'a'])
  })

  it('keeps rows where they are while they are held, new ones last', () => {
    expect(names(inOrderOf(['a', 'b'], rows))).toEqual(['a', 'b', 'c'])
  })
})

describe('the start of a session', () => {
  const conditions = (reached: number, message: string) =>
    ['TemplateResolved', 'Admitted', 'HomeReady'].map((type, index) =>
      index < reached ? aCondition(type) : aCondition(type, 'False', message),
    )

  it('is done up to the first condition that is not true, and works on that one', () => {
    const session = aSession('a', { phase: 'Pending', status: { conditions: conditions(2, 'Making the folder') } })
    const steps = startSteps(session)
    expect(steps.map(({ state }) => state)).toEqual(['done', 'done', 'active', 'waiting', 'waiting'])
    expect(steps[2]?.message).toBe('Making the folder')
  })

  it('failed at that one when the session has failed', () => {
    const session = aSession('a', { phase: 'Failed', status: { conditions: conditions(1, 'No room') } })
    expect(startSteps(session).map(({ state }) => state)).toEqual(['done', 'failed', 'waiting', 'waiting', 'waiting'])
  })

  it('failed where the server says so, though it says nothing more of what went well before', () => {
    const told = [aCondition('TemplateResolved'), aCondition('Admitted'), aCondition('WorkloadReady', 'False', 'It ended.')]
    const session = aSession('a', { phase: 'Failed', status: { conditions: told } })
    const steps = startSteps(session)
    expect(steps.map(({ state }) => state)).toEqual(['done', 'done', 'done', 'failed', 'waiting'])
    expect(steps[3]?.message).toBe('It ended.')
  })

  it('a condition that is true ahead of time does not jump the queue', () => {
    const session = aSession('a', {
      phase: 'Starting',
      status: {
        conditions: [aCondition('TemplateResolved', 'Unknown'), aCondition('Reachable')],
      },
    })
    expect(startSteps(session).map(({ state }) => state)).toEqual(['active', 'waiting', 'waiting', 'waiting', 'waiting'])
  })
})
