import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

/** Where `vite dev` finds the server (SERVER=http://127.0.0.1:8100 for another one). Host and Origin are rewritten to it, because the server refuses foreign ones. */
const SERVER = process.env['SERVER'] ?? 'http://127.0.0.1:8000'

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
          // What every visit begins with comes in two files, of libraries and of our own; what further pages share among
          // them in two more, so that nobody waits for a part of another page. What one page alone needs stays with it.
          groups: [
            { name: 'vendor', test: /node_modules/, tags: ['$initial'], priority: 4 },
            { name: 'first', test: /\/src\//, tags: ['$initial'], priority: 3 },
            { name: 'further', test: /node_modules/, minShareCount: 2, priority: 2 },
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
