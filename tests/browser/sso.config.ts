import config from './playwright.config.ts'

/** The stories with a real identity provider: `make test-sso`. */
export default { ...config, testDir: 'sso' }
