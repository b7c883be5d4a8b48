//! The table of changes, as batches and as streams.

use std::time::Duration;

use async_stream::stream;
use futures::{StreamExt, stream::BoxStream};
use kube::runtime::watcher::Event;
use serde_json::Value;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{sleep, timeout},
};
use tokio_postgres::{Client, Row, types::Json};

use super::{CALL_WITHIN, PostgresStore, failed, news::Heard};
use crate::objects::{Change, Object, ObjectError, change};

/// Most changes in one read.
const BATCH: i64 = 500;
/// Pauses after failures in a row, the last one over and over.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// A change and its number.
#[derive(Debug)]
pub(super) struct Item<K> {
    pub(super) revision: i64,
    pub(super) change: Change<K>,
}

/// A part of the table.
pub(super) struct Batch<K> {
    pub(super) items: Vec<Item<K>>,
    /// Number of the last item, or of the kind's last write where none is left.
    pub(super) last: i64,
    /// Whether the batch was full.
    pub(super) more: bool,
}

/// Changes after `after` in order; without `after` none, and the number to go on from.
///
/// # Errors
/// [`ObjectError::Expired`] where some of them are no longer kept, or `after` is a number that was never given.
pub(super) async fn read<K: Object>(
    client: &Client,
    namespace: &str,
    kind: &str,
    after: Option<i64>,
) -> Result<Batch<K>, ObjectError> {
    // One statement, one snapshot; the left join gives one row without a change where there are none.
    let rows = client
        .query_typed(
            "SELECT coalesce(counter.revision, 0) AS last, coalesce(counter.forgotten, 0) AS forgotten,
                    change.revision, change.deleted, change.object
             FROM (SELECT) AS always
             LEFT JOIN object_counters counter ON counter.namespace = $1 AND counter.kind = $2
             LEFT JOIN LATERAL (
                 SELECT revision, deleted, object FROM object_changes
                 WHERE namespace = $1 AND kind = $2 AND revision > $3 ORDER BY revision LIMIT $4
             ) change ON true
             ORDER BY change.revision",
            &[
                (&namespace, tokio_postgres::types::Type::TEXT),
                (&kind, tokio_postgres::types::Type::TEXT),
                (&after.unwrap_or(i64::MAX), tokio_postgres::types::Type::INT8),
                (&BATCH, tokio_postgres::types::Type::INT8),
            ],
        )
        .await
        .map_err(failed)?;
    let first = rows.first().ok_or(ObjectError::Expired)?;
    let (last, forgotten): (i64, i64) = (first.get("last"), first.get("forgotten"));
    let Some(after) = after else { return Ok(Batch { items: Vec::new(), last, more: false }) };
    if after < forgotten || after > last {
        return Err(ObjectError::Expired);
    }
    let items: Vec<Item<K>> = rows.iter().filter_map(|row| item(row).transpose()).collect::<Result<_, _>>()?;
    let more = i64::try_from(items.len()).is_ok_and(|length| length >= BATCH);
    let last = items.last().map_or(last, |item| item.revision);
    Ok(Batch { items, last, more })
}

fn item<K: Object>(row: &Row) -> Result<Option<Item<K>>, ObjectError> {
    let Some(revision) = row.get("revision") else { return Ok(None) };
    let Json(object): Json<Value> = row.try_get("object").map_err(failed)?;
    let object = change::present(revision, object)?;
    let change = if row.get("deleted") { Change::Deleted(object) } else { Change::Applied(object) };
    Ok(Some(Item { revision, change }))
}

impl<K: Object> PostgresStore<K> {
    /// The changes after `after`, and then those to come; the stream ends with its first error.
    pub(super) async fn changes_after(
        self,
        after: i64,
    ) -> Result<BoxStream<'static, Result<Change<K>, ObjectError>>, ObjectError> {
        // Subscribed before the table is read, so nothing falls between the two.
        let mut news = self.inner.news.subscribe();
        let mut batch = self.batch(after).await?;
        Ok(stream! {
            let mut last = after;
            loop {
                loop {
                    last = last.max(batch.last);
                    for item in batch.items {
                        yield Ok(item.change);
                    }
                    if !batch.more {
                        break;
                    }
                    match self.batch(last).await {
                        Ok(next) => batch = next,
                        Err(error) => {
                            yield Err(error);
                            return;
                        }
                    }
                }
                while let Some(change) = next(&mut news, &mut last).await {
                    yield Ok(change);
                }
                match self.batch(last).await {
                    Ok(next) => batch = next,
                    Err(error) => {
                        yield Err(error);
                        return;
                    }
                }
            }
        }
        .boxed())
    }

    async fn batch(&self, after: i64) -> Result<Batch<K>, ObjectError> {
        let reading = async {
            let client = self.inner.pool.get().await.map_err(failed)?;
            read(&client, &self.inner.namespace, &self.inner.kind, Some(after)).await
        };
        timeout(CALL_WITHIN, reading).await.map_err(failed)?
    }

    /// The endless stream of events: the present, then each change; again from the present where some were missed.
    pub(super) fn events(self) -> BoxStream<'static, Event<K>> {
        stream! {
            let mut failures = 0;
            loop {
                let (items, mut last) = match self.within(self.read_all()).await {
                    Ok(present) => present,
                    Err(error) => {
                        self.pause(&mut failures, &error).await;
                        continue;
                    }
                };
                yield Event::Init;
                for item in items {
                    yield Event::InitApply(item);
                }
                yield Event::InitDone;
                loop {
                    let mut changes = match self.clone().changes_after(last).await {
                        Ok(changes) => changes,
                        Err(ObjectError::Expired) => break,
                        Err(error) => {
                            self.pause(&mut failures, &error).await;
                            continue;
                        }
                    };
                    failures = 0;
                    let mut expired = false;
                    while let Some(change) = changes.next().await {
                        match change {
                            Ok(change) => {
                                last = revision_of(&change).unwrap_or(last);
                                yield match change {
                                    Change::Applied(object) => Event::Apply(object),
                                    Change::Deleted(object) => Event::Delete(object),
                                };
                            }
                            Err(ObjectError::Expired) => expired = true,
                            Err(error) => self.pause(&mut failures, &error).await,
                        }
                    }
                    if expired {
                        break;
                    }
                }
            }
        }
        .boxed()
    }

    async fn pause(&self, failures: &mut usize, error: &ObjectError) {
        if *failures == 0 {
            tracing::warn!(object.kind = self.inner.kind, error = ?error, "the watch waits for the database");
        }
        sleep(PAUSES[(*failures).min(PAUSES.len() - 1)]).await;
        *failures += 1;
    }
}

/// The next change after `last` that is heard of; `None` where the table has to be asked.
async fn next<K: Object>(news: &mut broadcast::Receiver<Heard<K>>, last: &mut i64) -> Option<Change<K>> {
    loop {
        match news.recv().await {
            Ok(Heard::Item(item)) if item.revision > *last => {
                *last = item.revision;
                return Some(item.change.clone());
            }
            Ok(Heard::Item(_)) => {}
            Ok(Heard::Gap) | Err(RecvError::Lagged(_)) => return None,
            // The follower ended with the server; the table can still be asked, at the pace of the follower.
            Err(RecvError::Closed) => {
                sleep(CALL_WITHIN).await;
                return None;
            }
        }
    }
}

fn revision_of<K: Object>(change: &Change<K>) -> Option<i64> {
    let (Change::Applied(object) | Change::Deleted(object)) = change;
    object.meta().resource_version.as_deref()?.parse().ok()
}
