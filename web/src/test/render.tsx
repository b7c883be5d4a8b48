import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, RouterProvider } from '@tanstack/react-router'
import { render } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { StrictMode } from 'react'
import { makeQueryClient } from '~/api/makeQueryClient'
import { makeRouter } from '~/router'
import { theme, tokens } from '~/theme'

/** The whole page at `path`, as `main.tsx` mounts it. */
export function renderPage(path: string) {
  const client = makeQueryClient()
  const router = makeRouter(client, createMemoryHistory({ initialEntries: [path] }))
  const view = render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={tokens} env="test">
        <QueryClientProvider client={client}>
          <Notifications />
          <RouterProvider router={router} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  )
  return { ...view, client, router, user: userEvent.setup() }
}
