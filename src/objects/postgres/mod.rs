//! Objects in PostgreSQL: the adapter for one machine.
//!
//! A write locks the kind's counter row until it commits, so numbers become visible in their order, and appends to
//! `object_changes` in the same transaction. Watchers read that table; a notification only wakes them.

mod changes;
mod news;
mod occurrences;
mod write;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use kube::{
    core::{Selector, SelectorExt},
    runtime::watcher,
};
use serde_json::Value;
use tokio_postgres::types::Json;

use super::{
    Change, Epoch, Object, ObjectError, ObjectList, ObjectStore, Occurrence, Precondition, Recorded,
    change::{self, Decision},
};
use crate::{
    clock::Clock,
    store::{Listener, Pool, is_away},
    telemetry::task::Tasks,
};
use news::News;

/// Longest time that a call may take; a request as a whole has 10 s.
const CALL_WITHIN: Duration = Duration::from_secs(5);

/// How long changes and occurrences are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// At least so many of the latest changes of a kind.
    pub changes: i64,
    /// And all changes younger than this.
    pub age: Duration,
    /// Occurrences whose latest repeat is younger than this.
    pub occurrences: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { changes: 10_000, age: Duration::from_mins(10), occurrences: Duration::from_hours(24) }
    }
}

/// Keeps the objects of one kind in PostgreSQL. A cheap handle.
pub struct PostgresStore<K> {
    inner: Arc<Inner<K>>,
}

impl<K> Clone for PostgresStore<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K: Object> fmt::Debug for PostgresStore<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("kind", &self.inner.kind)
            .field("namespace", &self.inner.namespace)
            .finish()
    }
}

struct Inner<K> {
    pool: Pool,
    namespace: String,
    kind: String,
    clock: Arc<dyn Clock>,
    news: News<K>,
}

impl<K: Object> PostgresStore<K> {
    /// A store for the objects of `namespace`; its tasks follow the changes and remove old ones.
    #[must_use]
    pub fn start(pool: Pool, listener: &Listener, namespace: &str, clock: Arc<dyn Clock>, tasks: &mut Tasks) -> Self {
        let kind = K::kind(&()).into_owned();
        let news = News::default();
        let inner = Inner { pool, namespace: namespace.to_owned(), kind, clock, news: news.clone() };
        let store = Self { inner: Arc::new(inner) };
        let follower = news::Follower::new(listener, &store.inner.namespace, &store.inner.kind, news);
        let stop = tasks.stopping();
        tasks.start("object-news", async move {
            tokio::select! { () = stop.cancelled() => {}, () = follower.run() => {} }
        });
        let (janitor, stop) = (store.clone(), tasks.stopping());
        tasks.start("object-janitor", async move {
            tokio::select! { () = stop.cancelled() => {}, () = janitor.sweep_forever() => {} }
        });
        store
    }

    /// Runs a call within its time.
    async fn within<T>(&self, call: impl Future<Output = Result<T, ObjectError>>) -> Result<T, ObjectError> {
        tokio::time::timeout(CALL_WITHIN, call).await.map_err(failed)?
    }

    fn not_found(&self, name: &str) -> ObjectError {
        ObjectError::NotFound { kind: self.inner.kind.clone(), name: name.to_owned() }
    }

    async fn read(&self, name: &str) -> Result<Option<K>, ObjectError> {
        let client = self.inner.pool.get().await.map_err(failed)?;
        let statement = client
            .prepare_cached("SELECT revision, object FROM objects WHERE namespace = $1 AND kind = $2 AND name = $3")
            .await
            .map_err(failed)?;
        let row =
            client.query_opt(&statement, &[&self.inner.namespace, &self.inner.kind, &name]).await.map_err(failed)?;
        row.map(|row| {
            let Json(object): Json<Value> = row.try_get("object").map_err(failed)?;
            change::present(row.get("revision"), object)
        })
        .transpose()
    }

    /// All objects and the number of the kind's last write, at one moment.
    async fn read_all(&self) -> Result<(Vec<K>, i64), ObjectError> {
        let client = self.inner.pool.get().await.map_err(failed)?;
        // One statement, one snapshot. The left join gives one row without an object where there are none.
        let statement = client
            .prepare_cached(
                "SELECT counter.last, objects.revision, objects.object
                 FROM (SELECT coalesce((SELECT revision FROM object_counters WHERE namespace = $1 AND kind = $2), 0) AS last) counter
                 LEFT JOIN objects ON namespace = $1 AND kind = $2
                 ORDER BY name COLLATE \"C\"",
            )
            .await
            .map_err(failed)?;
        let rows = client.query(&statement, &[&self.inner.namespace, &self.inner.kind]).await.map_err(failed)?;
        let last = rows.first().map_or(0, |row| row.get("last"));
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(revision) = row.get("revision") {
                let Json(object): Json<Value> = row.try_get("object").map_err(failed)?;
                items.push(change::present(revision, object)?);
            }
        }
        Ok((items, last))
    }
}

#[async_trait]
impl<K: Object> ObjectStore<K> for PostgresStore<K> {
    async fn get(&self, name: &str) -> Result<Option<K>, ObjectError> {
        self.within(self.read(name)).await
    }

    async fn list(&self, selector: &Selector) -> Result<ObjectList<K>, ObjectError> {
        let (mut items, last) = self.within(self.read_all()).await?;
        if !selector.selects_all() {
            let none = std::collections::BTreeMap::new();
            items.retain(|item| selector.matches(item.meta().labels.as_ref().unwrap_or(&none)));
        }
        Ok(ObjectList { items, resource_version: last.to_string() })
    }

    async fn create(&self, object: &K) -> Result<K, ObjectError> {
        let wanted = change::create(object, &self.inner.namespace, self.inner.clock.now())?;
        let name = object.meta().name.clone().unwrap_or_default();
        let taken = || ObjectError::AlreadyExists { kind: self.inner.kind.clone(), name: name.clone() };
        let written = self
            .write(&name, None, |stored| match stored {
                Some(_) => Err(taken()),
                None => Ok(Decision::Put(wanted)),
            })
            .await?;
        Ok(written.object)
    }

    async fn replace(&self, object: &K) -> Result<K, ObjectError> {
        let name = object.meta().name.clone().unwrap_or_default();
        Ok(self.change(&name, None, |stored| change::replace(&stored, object)).await?.object)
    }

    async fn patch(&self, name: &str, patch: &Value, condition: &Precondition) -> Result<K, ObjectError> {
        Ok(self.change(name, None, |stored| change::patch::<K>(&stored, patch, condition)).await?.object)
    }

    async fn replace_status(&self, object: &K, epoch: Option<Epoch>) -> Result<K, ObjectError> {
        let name = object.meta().name.clone().unwrap_or_default();
        Ok(self.change(&name, epoch, |stored| change::replace_status(&stored, object)).await?.object)
    }

    async fn delete(&self, name: &str, condition: &Precondition) -> Result<Option<K>, ObjectError> {
        let now = self.inner.clock.now();
        let written = self.change(name, None, |stored| change::delete::<K>(&stored, condition, now)).await?;
        Ok((!written.removed).then_some(written.object))
    }

    fn watch(&self) -> BoxStream<'static, watcher::Event<K>> {
        self.clone().events()
    }

    async fn changes(
        &self,
        resource_version: &str,
    ) -> Result<BoxStream<'static, Result<Change<K>, ObjectError>>, ObjectError> {
        let after = resource_version.parse().map_err(|_| ObjectError::Expired)?;
        self.within(self.clone().changes_after(after)).await
    }

    async fn record(&self, occurrence: &Occurrence) -> Result<(), ObjectError> {
        self.within(self.write_occurrence(occurrence)).await
    }

    async fn occurrences(&self, name: &str) -> Result<Vec<Recorded>, ObjectError> {
        self.within(self.read_occurrences(name)).await
    }
}

/// Whatever went wrong with the database.
fn failed(error: impl std::error::Error + Send + Sync + 'static) -> ObjectError {
    if is_away(&error) { ObjectError::Unavailable(Box::new(error)) } else { ObjectError::Failed(Box::new(error)) }
}
