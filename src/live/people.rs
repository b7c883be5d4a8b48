//! Who is connected, and what they may read by now.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{frame::CloseCode, hub::Inner, socket::Socket};

/// Why a connection of somebody who is not signed in any more is closed.
pub(super) const SIGNED_OUT: &str = "you are signed out";
/// How long finding out what somebody may read may take.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// When somebody is asked about again of whom nothing could be found out.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The connections of each person.
#[derive(Debug, Default)]
pub(super) struct People {
    connected: Mutex<HashMap<Arc<str>, Vec<Weak<Socket>>>>,
    /// Of whom something changed.
    changed: Mutex<HashSet<Arc<str>>>,
    told: Notify,
}

/// What is done under these locks does not panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl People {
    pub(super) fn add(&self, user: &Arc<str>, socket: &Arc<Socket>) {
        lock(&self.connected).entry(user.clone()).or_default().push(Arc::downgrade(socket));
    }

    pub(super) fn remove(&self, socket: &Arc<Socket>) {
        let user = socket.access().user;
        let mut connected = lock(&self.connected);
        let Some(sockets) = connected.get_mut(&user) else { return };
        if let Some(at) = sockets.iter().position(|known| known.as_ptr() == Arc::as_ptr(socket)) {
            sockets.swap_remove(at);
        }
        if sockets.is_empty() {
            connected.remove(&user);
        }
    }

    pub(super) fn sockets(&self, user: &str) -> Vec<Arc<Socket>> {
        lock(&self.connected).get(user).into_iter().flatten().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn recheck(&self, user: &str) {
        lock(&self.changed).insert(user.into());
        self.told.notify_one();
    }

    pub(super) fn recheck_everybody(&self) {
        let everybody: Vec<_> = lock(&self.connected).keys().cloned().collect();
        lock(&self.changed).extend(everybody);
        self.told.notify_one();
    }
}

/// Decides again what people may read, whenever something about them changed.
pub(super) async fn watch(hub: Arc<Inner>, stop: CancellationToken) {
    let watch = async {
        loop {
            hub.people.told.notified().await;
            let changed = std::mem::take(&mut *lock(&hub.people.changed));
            for user in changed {
                if !recheck(&hub, &user).await {
                    tokio::time::sleep(ASK_AGAIN).await;
                    hub.people.recheck(&user);
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = watch => {}
    }
}

/// Returns whether it could be found out.
async fn recheck(hub: &Inner, user: &str) -> bool {
    let mut known = true;
    for socket in hub.people.sockets(user) {
        match timeout(ASK_WITHIN, socket.gate().access()).await {
            Ok(Ok(Some(access))) if access != socket.access() => hub.adopt(&socket, access),
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => socket.close(CloseCode::Policy, SIGNED_OUT),
            Ok(Err(error)) => {
                tracing::warn!(user.name = user, error = %error, "cannot find out what somebody may read; asking again");
                known = false;
            }
            Err(_) => known = false,
        }
    }
    known
}
