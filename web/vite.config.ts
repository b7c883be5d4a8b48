import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

/** Where `vite dev` finds the server. Host and Origin are rewritten to it, because the server refuses foreign ones. */
const SERVER = 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '~': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2023',
    // Nothing is inlined: the content security policy allows neither inline scripts nor `data:` fonts and scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    // The one file of libraries changes seldom and is cached for good; the budget of the first load is 350 kB gzipped.
    chunkSizeWarningLimit: 800,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Two files that pages share instead of one for every helper. What one page alone needs stays with it.
          groups: [
            { name: 'vendor', test: /node_modules\/(?!@novnc|uplot|@tanstack\/(react-virtual|virtual-core)|react-number-format)/, priority: 2 },
            { name: 'shared', test: /\/src\//, minShareCount: 2, priority: 1 },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      '/api': { target: SERVER, changeOrigin: true, ws: true, headers: { origin: SERVER } },
      '/openapi.json': { target: SERVER, changeOrigin: true },
    },
  },
  test: {
    environment: 'jsdom',
    environmentOptions: { jsdom: { url: 'http://localhost:8000/' } },
    setupFiles: ['src/test/setup.ts'],
    restoreMocks: true,
    testTimeout: 30_000,
    css: false,
  },
})
