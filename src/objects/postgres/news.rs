//! Follows the table of changes, once for all watchers of this process.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{broadcast, watch},
    time::{sleep, timeout},
};
use tokio_postgres::Client;

use super::changes::{Item, read};
use crate::{
    objects::{Object, ObjectError},
    store::{Listener, OBJECTS, Subscription},
};

/// Changes that a slow watcher may be behind before it has to read the table itself.
const BEHIND: usize = 1024;
/// The table is read this often even if nothing was announced.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Longest time for one read.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// Pause after a failed read on a connection that still stands.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// What watchers hear.
#[derive(Debug)]
pub(super) enum Heard<K> {
    /// A change, in order.
    Item(Arc<Item<K>>),
    /// What came before may have a gap: the table knows.
    Gap,
}

impl<K> Clone for Heard<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Item(item) => Self::Item(Arc::clone(item)),
            Self::Gap => Self::Gap,
        }
    }
}

/// Where watchers subscribe.
#[derive(Debug)]
pub(super) struct News<K>(broadcast::Sender<Heard<K>>);

impl<K> Clone for News<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> Default for News<K> {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl<K> News<K> {
    /// Everything from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Heard<K>> {
        self.0.subscribe()
    }

    fn tell(&self, heard: Heard<K>) {
        // An error means that nobody watches at the moment.
        let _ = self.0.send(heard);
    }
}

/// Reads the table and tells the watchers.
pub(super) struct Follower<K> {
    link: watch::Receiver<Option<Arc<Client>>>,
    wakes: Subscription,
    namespace: String,
    kind: String,
    news: News<K>,
    /// Number of the last change that was told; none before the first read.
    position: Option<i64>,
}

impl<K: Object> Follower<K> {
    pub(super) fn new(listener: &Listener, namespace: &str, kind: &str, news: News<K>) -> Self {
        Self {
            link: listener.link(),
            wakes: listener.wakes(OBJECTS),
            namespace: namespace.to_owned(),
            kind: kind.to_owned(),
            news,
            position: None,
        }
    }

    /// Follows until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            self.wakes.mark_seen();
            let link = self.link.borrow_and_update().clone();
            let Some(client) = link else {
                // Watchers ask the table and learn from its silence that the database is away.
                self.news.tell(Heard::Gap);
                if self.link.changed().await.is_err() {
                    return;
                }
                continue;
            };
            match self.look(&client).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(object.kind = self.kind, error = ?error, "the changes could not be read");
                    sleep(AFTER_FAILURE).await;
                    continue;
                }
            }
            tokio::select! {
                () = self.wakes.woken() => {}
                changed = self.link.changed() => if changed.is_err() { return },
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Tells what is new; `true` where there may be more.
    async fn look(&mut self, client: &Client) -> Result<bool, ObjectError> {
        let reading = read::<K>(client, &self.namespace, &self.kind, self.position);
        let batch = match timeout(READ_WITHIN, reading).await.map_err(super::failed)? {
            Err(ObjectError::Expired) => {
                // Away for longer than changes are kept: begin at the present.
                self.position = None;
                return Ok(true);
            }
            other => other?,
        };
        if self.position.is_none() {
            // Somebody may have subscribed and read the table before this moment.
            self.news.tell(Heard::Gap);
        }
        self.position = Some(batch.last);
        for item in batch.items {
            self.news.tell(Heard::Item(Arc::new(item)));
        }
        Ok(batch.more)
    }
}
