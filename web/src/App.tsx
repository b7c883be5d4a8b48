import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useState } from 'react'
import { makeQueryClient } from './api/makeQueryClient'
import { makeRouter } from './router'
import { strings } from './strings'
import { theme, tokens } from './theme'

export function App() {
  const [client] = useState(makeQueryClient)
  const [router] = useState(() => makeRouter(client))
  return (
    <MantineProvider theme={theme} cssVariablesResolver={tokens} defaultColorScheme="auto">
      <QueryClientProvider client={client}>
        <Notifications position="bottom-right" role="status" aria-label={strings.notices.region} />
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  )
}
