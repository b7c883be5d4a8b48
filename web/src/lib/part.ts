import { serverSays } from './server'

/** Set while the page was loaded anew for want of a part, so that it is not loaded for ever. */
const LOADED_ANEW = 'streamspace.loadedAnew'

/**
 * A part of the page that is fetched when it is first shown. It is waited for while the server cannot be reached. Where
 * the server answers and the part still cannot be had, since the browser remembers that it failed or a newer server has
 * other files, the page is loaded anew.
 *
 * @throws what `load` throws, where that did not help
 */
export async function part<Module>(load: () => Promise<Module>): Promise<Module> {
  try {
    return await loaded(load)
  } catch {
    await serverSays('/health')
  }
  try {
    return await loaded(load)
  } catch (failure) {
    if (sessionStorage.getItem(LOADED_ANEW) !== null) throw failure
    sessionStorage.setItem(LOADED_ANEW, 'yes')
    location.reload()
    // The new page shows what this one could not.
    return new Promise(() => {})
  }
}

async function loaded<Module>(load: () => Promise<Module>): Promise<Module> {
  const module = await load()
  sessionStorage.removeItem(LOADED_ANEW)
  return module
}
