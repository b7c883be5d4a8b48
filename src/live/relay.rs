//! Follows a store and tells the hub.
//!
//! It reads the list with its number and then the changes after that number, rather than the watch made of both: the
//! number of the list is what a snapshot's cursor has to say, and a list alone does not show the numbers of what was
//! deleted last. A list that has to be read again is told as its difference, deletions included.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use kube::core::Selector;
use tokio_util::sync::CancellationToken;

use super::{event::Subject, feed::Item, hub::Hub, scope::Whose};
use crate::objects::{Change, Object, ObjectError, ObjectStore};

/// First wait after a failure; doubled at each further one.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest wait.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// A kind of objects with a feed.
pub trait Live: Object {
    /// Its feed.
    const SUBJECT: Subject;

    /// The name by which its logs are asked.
    fn logs(&self) -> Option<&str>;

    /// Where it belongs to nobody: the groups that it is for; empty: everybody.
    fn groups(&self) -> &[String];
}

/// Follows `store` until asked to end.
pub(super) async fn run<K: Live>(hub: Hub, store: Arc<dyn ObjectStore<K>>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = Relay { hub, store, wait: RETRY_MIN }.follow() => {}
    }
}

struct Relay<K: Live> {
    hub: Hub,
    store: Arc<dyn ObjectStore<K>>,
    wait: Duration,
}

impl<K: Live> Relay<K> {
    async fn follow(mut self) {
        let mut from = None;
        loop {
            let result = match from.take() {
                None => self.read_list().await,
                Some(from) => self.read_changes(from).await,
            };
            match result {
                Ok(number) => from = Some(number),
                Err(ObjectError::Expired) => {}
                Err(error) => {
                    tracing::warn!(feed = K::SUBJECT.topic(), error = %error, "cannot follow the objects; trying again");
                    tokio::time::sleep(self.wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
                    self.wait = (self.wait * 2).min(RETRY_MAX);
                }
            }
        }
    }

    /// Tells the whole state, and answers its number.
    async fn read_list(&mut self) -> Result<String, ObjectError> {
        let list = self.store.list(&Selector::default()).await?;
        let items = list.items.iter().filter_map(item).collect();
        self.hub.reset(K::SUBJECT, items, number(&list.resource_version));
        Ok(list.resource_version)
    }

    /// Tells every change after `from`. Ends only when the stream does, with the number to go on from.
    async fn read_changes(&mut self, mut from: String) -> Result<String, ObjectError> {
        let mut changes = self.store.changes(&from).await?;
        while let Some(change) = changes.next().await {
            let (Change::Applied(object) | Change::Deleted(object)) = match &change {
                Ok(change) => change,
                Err(ObjectError::Expired) => return Err(ObjectError::Expired),
                Err(error) => {
                    tracing::debug!(feed = K::SUBJECT.topic(), error = %error, "the stream of changes broke");
                    break;
                }
            };
            self.wait = RETRY_MIN;
            if let Some(version) = &object.meta().resource_version {
                from.clone_from(version);
            }
            match (&change, item(object)) {
                (Ok(Change::Applied(_)), Some(item)) => self.hub.applied(K::SUBJECT, item),
                (Ok(Change::Deleted(_)), Some(item)) => self.hub.deleted(K::SUBJECT, &item),
                _ => {}
            }
        }
        Ok(from)
    }
}

/// What the feed keeps of `object`; `None`, with a word in the log, for one that no store can have given.
fn item<K: Live>(object: &K) -> Option<Item> {
    let meta = object.meta();
    let (Some(name), Some(version)) = (&meta.name, &meta.resource_version) else {
        tracing::error!(feed = K::SUBJECT.topic(), "an object without name or version is left out");
        return None;
    };
    let json = serde_json::to_vec(object)
        .inspect_err(
            |error| tracing::error!(object.name = %name, error = %error, "an object cannot be written as JSON"),
        )
        .ok()?;
    Some(Item {
        name: name.as_str().into(),
        number: number(version),
        whose: Whose {
            uid: meta.uid.as_deref().unwrap_or_default().into(),
            owner: Some(object.owner()).filter(|owner| !owner.is_empty()).map(Arc::from),
            groups: object.groups().into(),
        },
        logs: object.logs().map(Box::from),
        json: json.into(),
    })
}

/// A `resourceVersion` as the number that it is in both stores. Anything else counts as the beginning: such a list is
/// told whole, and nobody can resume from it.
fn number(version: &str) -> u64 {
    version.parse().unwrap_or_default()
}
