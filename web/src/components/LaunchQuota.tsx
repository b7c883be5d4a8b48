import { useQuery } from '@tanstack/react-query'
import type { Template } from '~/api/types'
import { parseQuantity } from '~/lib/quantity'
import { inWords, passedBy } from '~/lib/quota'
import { resourcesOf, type Size } from '~/lib/template'
import { ownQuotaQuery } from '~/people/queries'
import { strings } from '~/strings'
import { Note } from './Note'

interface Props {
  template: Template
  size: Size
}

/** Says before the start which limit it would pass. The server decides: somebody may stop something meanwhile. */
export function LaunchQuota({ template, size }: Props) {
  const quota = useQuery(ownQuotaQuery).data
  if (!quota) return null
  const { cpu, memory } = resourcesOf(template, size)
  const wanted = { sessions: 1, cpu: parseQuantity(cpu), memory: parseQuantity(memory) }
  for (const one of [quota, ...quota.groups]) {
    const passed = passedBy(one, wanted)
    if (!passed) continue
    const { dimension, limit, used } = passed
    const what = strings.quota.dimensions[dimension]
    const whose = one === quota ? strings.quota.yours : strings.quota.ofGroup(one.name)
    return (
      <Note
        title={strings.quota.noRoom}
        text={strings.quota.noRoomText(what, whose, inWords(dimension, limit), inWords(dimension, used))}
      />
    )
  }
  return null
}
