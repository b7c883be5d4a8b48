import '@testing-library/jest-dom/vitest'
import { cleanup, configure } from '@testing-library/react'
import { afterEach, beforeEach, vi } from 'vitest'
import { FakeSocket } from './fakeSocket'

// Pages are loaded when first shown, which takes its time on a busy machine.
configure({ asyncUtilTimeout: 10_000 })

// What jsdom lacks of a browser, as far as the components touch it.
beforeEach(() => {
  vi.stubGlobal('WebSocket', FakeSocket)
  vi.stubGlobal('ResizeObserver', class {
    observe() {}
    unobserve() {}
    disconnect() {}
  })
  vi.stubGlobal('matchMedia', (media: string) => ({
    matches: false,
    media,
    addEventListener() {},
    removeEventListener() {},
    addListener() {},
    removeListener() {},
  }))
  Element.prototype.scrollIntoView = () => {}
  window.scrollTo = () => {}
})

afterEach(() => {
  cleanup()
  FakeSocket.all.length = 0
  FakeSocket.greet = undefined
  vi.unstubAllGlobals()
  localStorage.clear()
})
