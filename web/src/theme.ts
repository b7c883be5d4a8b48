import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core'
import { strings } from './strings'

/** The one accent: cobalt. White on step 7 has a contrast of 6:1. */
const cobalt: MantineColorsTuple = [
  '#eef3ff', '#dbe5fd', '#b5c8f8', '#8ba8f2', '#668dee', '#4f7cec', '#3f6fe4', '#2e5bbc', '#274ea3', '#1c3f8a',
]
/** The one neutral scale, a trace cooler than grey. */
const gray: MantineColorsTuple = [
  '#f7f8fa', '#eff1f4', '#e4e7ec', '#d3d8df', '#b4bbc6', '#8d96a4', '#667081', '#4a5361', '#2f3640', '#181d24',
]
/** White on step 7, of buttons that destroy, has a contrast of 5.6:1. */
const red: MantineColorsTuple = [
  '#fff0f0', '#fddcdc', '#f6b6b6', '#f58a8a', '#e86565', '#df4a4a', '#d33a3a', '#c02b2b', '#a82323', '#8d1a1a',
]
const dark: MantineColorsTuple = [
  '#e3e7ed', '#bcc3cd', '#98a1ae', '#6b7482', '#3a424d', '#2c333d', '#1d232b', '#12161c', '#0d1015', '#08090d',
]

/**
 * Where menus, lists and hints are drawn: within a landmark of each page, so that whoever goes by landmarks comes across
 * them. Each frame of pages has an element with this id.
 */
export const OVERLAYS_ID = 'overlays'
const OVERLAYS = { portalProps: { target: `#${OVERLAYS_ID}` } }

/** Dialogs lie on the colour of cards, not on that of the page. */
const SURFACE = { backgroundColor: 'var(--surface)' }

const CLOSE = { 'aria-label': strings.close }

export const theme = createTheme({
  primaryColor: 'cobalt',
  primaryShade: { light: 7, dark: 7 },
  colors: { cobalt, gray, dark, red },
  defaultRadius: 'md',
  radius: { xs: '3px', sm: '5px', md: '7px', lg: '10px', xl: '16px' },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "Noto Sans Mono", "DejaVu Sans Mono", monospace',
  headings: { fontWeight: '650' },
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { fw: 550 } },
    Tooltip: {
      defaultProps: {
        ...OVERLAYS,
        openDelay: 400,
        withArrow: false,
        events: { hover: true, focus: true, touch: false },
      },
    },
    Modal: {
      defaultProps: { centered: true, transitionProps: { duration: 120 }, closeButtonProps: CLOSE },
      styles: { content: SURFACE, header: SURFACE, title: { fontWeight: 650 } },
    },
    // A `header` outside of an article is a landmark, and the page has its own.
    ModalHeader: { defaultProps: { component: 'div' } },
    DrawerHeader: { defaultProps: { component: 'div' } },
    Notification: { defaultProps: { closeButtonProps: CLOSE } },
    PasswordInput: { defaultProps: { visibilityToggleButtonProps: { 'aria-label': strings.showPassword, tabIndex: 0 } } },
    Drawer: { defaultProps: { closeButtonProps: CLOSE }, styles: { content: SURFACE, header: SURFACE } },
    Menu: {
      defaultProps: {
        shadow: 'md',
        position: 'bottom-end',
        transitionProps: { duration: 80 },
        // It would be a child that a menu may not have.
        withInitialFocusPlaceholder: false,
      },
    },
    Popover: { defaultProps: { ...OVERLAYS, shadow: 'md', transitionProps: { duration: 80 } } },
  },
})

/**
 * Tokens beside Mantine's own. Text colours keep 4.5:1 on every surface of their theme; a state's colour is never the
 * only sign of it.
 */
export const tokens: CSSVariablesResolver = () => ({
  variables: { '--bar-height': '44px' },
  light: {
    '--mantine-color-body': '#f7f8fa',
    '--mantine-color-text': '#181d24',
    '--mantine-color-dimmed': '#596272',
    '--mantine-color-placeholder': '#667081',
    '--mantine-color-anchor': '#2e5bbc',
    '--mantine-color-error': '#c02b2b',
    '--surface': '#ffffff',
    '--surface-quiet': '#f1f3f6',
    '--line': '#e1e5ea',
    '--line-strong': '#c5ccd5',
    '--state-ok': '#137338',
    '--state-busy': '#2e5bbc',
    '--state-warn': '#8f5400',
    '--state-bad': '#c02b2b',
    '--state-rest': '#596272',
    '--tint': '#2e5bbc1f',
    '--scrim': '#f7f8fad9',
  },
  dark: {
    '--mantine-color-body': '#0d1015',
    '--mantine-color-text': '#e3e7ed',
    '--mantine-color-dimmed': '#98a1ae',
    '--mantine-color-placeholder': '#8791a0',
    '--mantine-color-anchor': '#8ba8f2',
    '--mantine-color-error': '#f58a8a',
    '--surface': '#151a21',
    '--surface-quiet': '#1b2129',
    '--line': '#262d36',
    '--line-strong': '#3a424d',
    '--state-ok': '#4cc978',
    '--state-busy': '#8ba8f2',
    '--state-warn': '#e8b04a',
    '--state-bad': '#f58a8a',
    '--state-rest': '#98a1ae',
    '--tint': '#8ba8f22e',
    '--scrim': '#0d1015d9',
  },
})
