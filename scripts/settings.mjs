// Turns the help of `streamspace serve` (standard input) into docs/guides/settings.md (standard output).

import { readFileSync } from 'node:fs'

const help = readFileSync(0, 'utf8')
const options = help.slice(help.indexOf('Options:\n') + 'Options:\n'.length).split(/\n(?=\s{0,6}(?:-\w, )?\s*--[a-z])/)

const rows = options.flatMap((option) => {
  const flag = /--[a-z-]+/.exec(option)?.[0]
  const variable = /\[env: (\w+)/.exec(option)?.[1]
  if (flag === undefined || variable === undefined) return []
  const fallback = /\[default: ([^\]]*)\]/.exec(option)?.[1]
  const values = /\[possible values: ([^\]]*)\]/.exec(option)?.[1]
  const text = option
    .slice(option.indexOf('\n'), option.search(/\[(env|default|possible values):|Possible values:/))
    .replaceAll(/\s+/g, ' ')
    .trim()
  const choices = values === undefined ? '' : ` One of ${values.split(', ').map((value) => `\`${value}\``).join(', ')}.`
  return [`| \`${variable}\` | \`${flag}\` | ${fallback ? `\`${fallback}\`` : ''} | ${text.replaceAll('|', '\\|')}.${choices} |`]
})

process.stdout.write(`# Settings

Written by \`make gen\` from the code. Each setting is a variable of the environment and a flag of \`streamspace serve\`; a
flag wins over the environment, the environment over the configuration file.

| variable | flag | default | meaning |
| --- | --- | --- | --- |
${rows.sort().join('\n')}
`)
