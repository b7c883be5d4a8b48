import { useEffect, useState, useSyncExternalStore } from 'react'
import { ConnectionKeeper, type KeeperState } from './connectionKeeper'

export interface KeptConnection extends KeeperState {
  reconnect: () => Promise<void>
}

/** This tab's connection to a running session, for as long as the component is shown. */
export function useConnection(session: string): KeptConnection {
  const [keeper] = useState(() => new ConnectionKeeper(session))
  useEffect(() => {
    keeper.start()
    return () => keeper.stop()
  }, [keeper])
  const state = useSyncExternalStore(keeper.listen, () => keeper.state)
  return { ...state, reconnect: keeper.reconnect }
}
