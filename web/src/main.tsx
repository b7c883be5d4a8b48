import './styles/mantine.css'
import './styles/global.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './App'
import { keepInvitation } from './lib/invitation'

// Before any router reads the address.
keepInvitation()

const element = document.getElementById('root')
if (element) {
  createRoot(element).render(
    <StrictMode>
      <App />
    </StrictMode>,
  )
}
