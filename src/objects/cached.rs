//! Reads from memory, writes to the truth: a store with a sorted index in front of it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use futures::StreamExt;
use kube::core::Selector;
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{Change, Epoch, Object, ObjectError, ObjectStore, Precondition, index::Index};
use crate::telemetry::task::Tasks;

/// Longest wait for memory to catch up with a write.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Pauses after failures in a row, the last one over and over.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// A cheap handle to the objects of one kind.
pub struct Cached<K> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    store: Arc<dyn ObjectStore<K>>,
    index: RwLock<Index<K>>,
    progress: watch::Sender<Progress>,
}

/// How far memory is.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Number of the last write that memory has seen.
    revision: u64,
    /// Whether the changes are being followed at the moment.
    following: bool,
}

/// A part of a list.
#[derive(Debug)]
pub struct Page<K> {
    /// The objects of the page, in order.
    pub items: Vec<Arc<K>>,
    /// How many there are in all.
    pub total: usize,
}

impl<K> Clone for Cached<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K: Object> fmt::Debug for Cached<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("store", &self.shared.store).finish_non_exhaustive()
    }
}

impl<K: Object> Cached<K> {
    /// Begins to follow `store`; [`Cached::in_step`] says when memory holds the present.
    #[must_use]
    pub fn start(store: Arc<dyn ObjectStore<K>>, tasks: &mut Tasks) -> Self {
        let progress = watch::Sender::new(Progress::default());
        let cached = Self { shared: Arc::new(Shared { store, index: RwLock::default(), progress }) };
        let (follower, stop) = (cached.clone(), tasks.stopping());
        tasks.start("object-cache", async move {
            tokio::select! { () = stop.cancelled() => {}, () = follower.follow() => {} }
        });
        cached
    }

    /// The truth, for what memory has no answer to: watches, status, Events.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore<K>> {
        &self.shared.store
    }

    /// The object of that name: from memory, or from the truth where memory lacks it.
    ///
    /// # Errors
    /// [`ObjectError::Unavailable`] where memory lacks it and the truth does not answer.
    pub async fn get(&self, name: &str) -> Result<Option<Arc<K>>, ObjectError> {
        if let Some(object) = self.peek(name) {
            return Ok(Some(object));
        }
        Ok(self.shared.store.get(name).await?.map(Arc::new))
    }

    /// The object of that name, from memory alone: for paths that may not wait.
    #[must_use]
    pub fn peek(&self, name: &str) -> Option<Arc<K>> {
        self.index().get(name).cloned()
    }

    /// At most `limit` objects of `owner`, or of everybody, from the `offset`th on, sorted by owner, creation and name.
    #[must_use]
    pub fn page(&self, owner: Option<&str>, offset: usize, limit: usize) -> Page<K> {
        let index = self.index();
        Page { items: index.iter(owner).skip(offset).take(limit).cloned().collect(), total: index.count(owner) }
    }

    /// All objects of `owner`, or of everybody, sorted by owner, creation and name: for other orders and searches.
    #[must_use]
    pub fn snapshot(&self, owner: Option<&str>) -> Vec<Arc<K>> {
        self.index().iter(owner).cloned().collect()
    }

    /// How many objects `owner`, or everybody, has in each phase; phases without any are absent.
    #[must_use]
    pub fn phases(&self, owner: Option<&str>) -> BTreeMap<&'static str, usize> {
        self.index().phases(owner)
    }

    /// Number of the last write that memory has seen: the value of the header `Streamspace-Revision`.
    #[must_use]
    pub fn revision(&self) -> String {
        self.shared.progress.borrow().revision.to_string()
    }

    /// Whether memory follows the changes; false before the first list and while the store is away.
    #[must_use]
    pub fn in_step(&self) -> bool {
        self.shared.progress.borrow().following
    }

    /// Returns once memory has seen the write of that number, or after a second, and whether it has.
    ///
    /// What is no number counts as seen: there is nothing to wait for.
    pub async fn wait_for(&self, revision: &str) -> bool {
        let Ok(wanted) = revision.parse::<u64>() else { return true };
        self.until(|progress| progress.revision >= wanted).await
    }

    /// As [`ObjectStore::create`]; memory has seen it, unless that takes more than a second.
    ///
    /// # Errors
    /// As [`ObjectStore::create`].
    pub async fn create(&self, object: &K) -> Result<Arc<K>, ObjectError> {
        let written = self.shared.store.create(object).await?;
        Ok(self.seen(written).await)
    }

    /// As [`ObjectStore::replace`]; memory has seen it, unless that takes more than a second.
    ///
    /// # Errors
    /// As [`ObjectStore::replace`].
    pub async fn replace(&self, object: &K) -> Result<Arc<K>, ObjectError> {
        let written = self.shared.store.replace(object).await?;
        Ok(self.seen(written).await)
    }

    /// As [`ObjectStore::patch`]; memory has seen it, unless that takes more than a second.
    ///
    /// # Errors
    /// As [`ObjectStore::patch`].
    pub async fn patch(&self, name: &str, patch: &Value, condition: &Precondition) -> Result<Arc<K>, ObjectError> {
        let written = self.shared.store.patch(name, patch, condition).await?;
        Ok(self.seen(written).await)
    }

    /// As [`ObjectStore::replace_status`]; memory has seen it, unless that takes more than a second.
    ///
    /// # Errors
    /// As [`ObjectStore::replace_status`].
    pub async fn replace_status(&self, object: &K, epoch: Option<Epoch>) -> Result<Arc<K>, ObjectError> {
        let written = self.shared.store.replace_status(object, epoch).await?;
        Ok(self.seen(written).await)
    }

    /// As [`ObjectStore::delete`]; memory has seen it, unless that takes more than a second.
    ///
    /// # Errors
    /// As [`ObjectStore::delete`].
    pub async fn delete(&self, name: &str, condition: &Precondition) -> Result<Option<Arc<K>>, ObjectError> {
        let known = self.peek(name);
        if let Some(waiting) = self.shared.store.delete(name, condition).await? {
            return Ok(Some(self.seen(waiting).await));
        }
        // A removal tells no number: memory has seen it when what it knew is gone.
        if let Some(known) = known {
            self.until(|_| self.peek(name).is_none_or(|found| found.meta().uid != known.meta().uid)).await;
        }
        Ok(None)
    }

    async fn seen(&self, written: K) -> Arc<K> {
        if let Some(revision) = written.meta().resource_version.as_deref() {
            self.wait_for(revision).await;
        }
        Arc::new(written)
    }

    async fn until(&self, reached: impl Fn(&Progress) -> bool) -> bool {
        let mut progress = self.shared.progress.subscribe();
        timeout(CATCH_UP, progress.wait_for(|progress| reached(progress))).await.is_ok_and(|seen| seen.is_ok())
    }

    fn index(&self) -> RwLockReadGuard<'_, Index<K>> {
        // A panic inside the index would leave it as it was before or after a change.
        self.shared.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the index, and then says how far memory is.
    fn learn(&self, revision: Option<&str>, change: impl FnOnce(&mut Index<K>)) {
        change(&mut self.shared.index.write().unwrap_or_else(PoisonError::into_inner));
        let revision = revision.and_then(|revision| revision.parse().ok());
        self.shared.progress.send_modify(|progress| progress.revision = revision.unwrap_or(progress.revision));
    }

    /// Lists and follows, over and over.
    ///
    /// By `list` and `changes`, not by `watch`: the latter does not tell the number at which its present was read, and
    /// without it nobody could say whether memory has seen a write that removed something.
    async fn follow(&self) {
        let mut failures = 0;
        loop {
            match self.shared.store.list(&Selector::default()).await {
                Ok(list) => {
                    let mut fresh = Index::default();
                    for item in list.items {
                        fresh.put(Arc::new(item));
                    }
                    self.learn(Some(&list.resource_version), |index| *index = fresh);
                    self.follow_from(list.resource_version, &mut failures).await;
                }
                Err(error) => self.pause(&mut failures, &error).await,
            }
        }
    }

    /// Follows the changes after `revision` until some of them are no longer kept.
    async fn follow_from(&self, mut revision: String, failures: &mut usize) {
        loop {
            let mut changes = match self.shared.store.changes(&revision).await {
                Ok(changes) => changes,
                Err(ObjectError::Expired) => return,
                Err(error) => {
                    self.pause(failures, &error).await;
                    continue;
                }
            };
            *failures = 0;
            self.shared.progress.send_modify(|progress| progress.following = true);
            while let Some(change) = changes.next().await {
                match change {
                    Ok(Change::Applied(object)) => {
                        revision = object.meta().resource_version.clone().unwrap_or(revision);
                        self.learn(Some(&revision), |index| index.put(Arc::new(object)));
                    }
                    Ok(Change::Deleted(object)) => {
                        revision = object.meta().resource_version.clone().unwrap_or(revision);
                        let name = object.meta().name.as_deref().unwrap_or_default();
                        self.learn(Some(&revision), |index| index.remove(name));
                    }
                    Err(ObjectError::Expired) => return,
                    Err(error) => self.pause(failures, &error).await,
                }
            }
        }
    }

    async fn pause(&self, failures: &mut usize, error: &ObjectError) {
        self.shared.progress.send_modify(|progress| progress.following = false);
        if *failures == 0 {
            tracing::warn!(object.kind = %K::kind(&()), error = ?error, "memory is out of step with the store");
        }
        sleep(PAUSES[(*failures).min(PAUSES.len() - 1)]).await;
        *failures += 1;
    }
}
