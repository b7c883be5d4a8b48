import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

/** The page of `streamspace terminal`: an app of its own, on the session's origin and never on the dashboard's. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // It may be served below a path.
  base: './',
  build: {
    target: 'es2023',
    outDir: fileURLToPath(new URL('../dist-terminal', import.meta.url)),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
})
