import type { Terminal } from '@xterm/xterm'

/**
 * Programs ask a terminal questions (what are you, where is the cursor, which colour is that), and it answers as if the
 * person had typed. Of several windows only one may answer, and none to what is merely drawn again.
 *
 * `silent`: whether this window has to keep quiet at this moment.
 */
export function answerOnlyWhenAsked(terminal: Terminal, silent: () => boolean) {
  const { parser } = terminal
  // Returning true says that the sequence was dealt with, so that the terminal's own handler does not see it.
  for (const prefix of ['', '>', '=']) {
    parser.registerCsiHandler({ ...(prefix && { prefix }), final: 'c' }, silent)
  }
  for (const prefix of ['', '?']) {
    parser.registerCsiHandler({ ...(prefix && { prefix }), final: 'n' }, silent)
    parser.registerCsiHandler({ ...(prefix && { prefix }), intermediates: '$', final: 'p' }, silent)
  }
  parser.registerCsiHandler({ prefix: '>', final: 'q' }, silent)
  for (const colour of [4, 10, 11, 12]) {
    parser.registerOscHandler(colour, (data) => data.endsWith('?') && silent())
  }
  parser.registerDcsHandler({ intermediates: '$', final: 'q' }, silent)
}
