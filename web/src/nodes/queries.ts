import { queryOptions } from '@tanstack/react-query'
import { answer, api } from '~/api/client'
import { keys } from '~/api/keys'
import { allPages, PAGE_SIZE } from '~/api/queries'
import type { DrainPlan, DrainWish, Node } from '~/api/types'

export const nodesQuery = queryOptions({
  queryKey: keys.nodes,
  queryFn: ({ signal }): Promise<readonly Node[]> =>
    allPages((page) =>
      answer(api.GET('/api/admin/nodes', { params: { query: { page, pageSize: PAGE_SIZE } }, signal })),
    ),
})

/** The sums over all nodes. */
export const nodeStatsQuery = queryOptions({
  queryKey: keys.nodeStats,
  queryFn: ({ signal }) => answer(api.GET('/api/admin/nodes/stats', { signal })),
})

export const nodeQuery = (name: string) =>
  queryOptions({
    queryKey: keys.node(name),
    queryFn: ({ signal }) => answer(api.GET('/api/admin/nodes/{name}', { params: { path: { name } }, signal })),
  })

/** What a drain would do now. */
export const drainPlanQuery = (name: string, wish: DrainWish) =>
  queryOptions({
    queryKey: [...keys.node(name), 'plan', wish],
    queryFn: async ({ signal }) => {
      const params = { path: { name } }
      const asked = await answer(
        api.POST('/api/admin/nodes/{name}/drain', { params, body: { ...wish, dryRun: true }, signal }),
      )
      return asked as DrainPlan
    },
  })

/** The latest drain of a node, as a list of one or none. */
export const latestDrainQuery = (name: string) =>
  queryOptions({
    queryKey: [...keys.jobs, 'drain', name],
    queryFn: ({ signal }) => {
      const query = { type: 'node.drain', target: `node/${name}`, pageSize: 1 }
      return answer(api.GET('/api/v1/jobs', { params: { query }, signal }))
    },
  })
