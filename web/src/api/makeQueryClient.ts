import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query'
import { keys } from './keys'
import { Problem } from './problem'

const MOST_RETRIES = 3

declare module '@tanstack/react-query' {
  interface Register {
    defaultError: Problem
  }
}

/** The page's memory of the server. A failure that may pass is tried again; one of 401 ends the sign-in. */
export function makeQueryClient(): QueryClient {
  const onError = (error: Error) => {
    if (error instanceof Problem && error.status === 401) client.setQueryData(keys.me, null)
  }
  const client: QueryClient = new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      queries: {
        // Whether the server can be reached is for the call to find out: it may be on this very machine.
        networkMode: 'always',
        retry: (count, error) => error.passing && count < MOST_RETRIES,
      },
      mutations: { networkMode: 'always' },
    },
  })
  return client
}
