//! Watches: the endless one, and the one that goes on from a number.

use std::{mem, sync::atomic::Ordering, time::Duration};

use async_stream::stream;
use futures::{StreamExt, stream::BoxStream};
use kube::{
    api::{ListParams, VersionMatch, WatchEvent, WatchParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::time::timeout;

use super::{KubernetesStore, answer, tidy};
use crate::objects::{Change, Object, ObjectError};

/// After how many seconds the API server ends a watch, which then goes on where it was.
const WATCH_SECONDS: u32 = 290;
/// A watch that is silent for longer than the API server lets it live has lost its connection.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 5);

type Raw<K> = BoxStream<'static, kube::Result<WatchEvent<K>>>;

impl<K: Object> KubernetesStore<K> {
    /// The endless stream of events, by kube's own watcher: bookmarks, back-off with jitter, and again from the present
    /// where changes were missed.
    pub(super) fn events(self) -> BoxStream<'static, Event<K>> {
        stream! {
            // What has begun is told with the first word that follows: before that it may still be refused.
            let mut begins = false;
            loop {
                let streaming = self.inner.streams_lists.load(Ordering::Relaxed);
                let config = watcher::Config::default().timeout(WATCH_SECONDS);
                let config = if streaming { config.streaming_lists() } else { config };
                let mut events = watcher::watcher(self.inner.objects.clone(), config).default_backoff().boxed();
                let mut away = false;
                while let Some(event) = events.next().await {
                    match event {
                        Ok(Event::Init) => begins = true,
                        Ok(event) => {
                            away = false;
                            if mem::take(&mut begins) {
                                yield Event::Init;
                            }
                            yield event.modify(|object| object.meta_mut().managed_fields = None);
                        }
                        Err(error) if streaming && streams_no_lists(&error) => {
                            tracing::info!(object.kind = self.inner.kind, error = ?error, "the API server streams no lists");
                            self.inner.streams_lists.store(false, Ordering::Relaxed);
                            break;
                        }
                        Err(error) => {
                            if !away {
                                tracing::warn!(object.kind = self.inner.kind, error = ?error, "the watch waits for the API server");
                            }
                            away = true;
                        }
                    }
                }
            }
        }
        .boxed()
    }

    /// The changes after `position`, and then those to come; the stream ends with its first error.
    pub(super) async fn changes_after(
        self,
        position: String,
    ) -> Result<BoxStream<'static, Result<Change<K>, ObjectError>>, ObjectError> {
        self.is_kept(&position).await?;
        let events = self.open(&position).await?;
        Ok(self.follow(position, events))
    }

    /// Fails with [`ObjectError::Expired`] where the API server has forgotten that moment: a watch would say so too, but
    /// only when somebody already listens.
    async fn is_kept(&self, position: &str) -> Result<(), ObjectError> {
        if position.parse::<u64>().is_ok_and(|number| number > 0) {
            let then = ListParams::default().limit(1).at(position).matching(VersionMatch::Exact);
            self.call("", self.inner.objects.list(&then)).await.map(drop)
        } else {
            Err(ObjectError::Expired)
        }
    }

    async fn open(&self, position: &str) -> Result<Raw<K>, ObjectError> {
        let params = WatchParams { timeout: Some(WATCH_SECONDS), ..WatchParams::default() };
        Ok(self.call("", self.inner.objects.watch(&params, position)).await?.boxed())
    }

    fn follow(self, mut position: String, mut events: Raw<K>) -> BoxStream<'static, Result<Change<K>, ObjectError>> {
        stream! {
            loop {
                // It ends when the API server or the silence says so; then it goes on from the last position.
                while let Ok(Some(event)) = timeout(SILENCE, events.next()).await {
                    match self.read(event, &mut position) {
                        Ok(Some(change)) => yield Ok(change),
                        Ok(None) => {}
                        Err(error) => {
                            yield Err(error);
                            return;
                        }
                    }
                }
                match self.open(&position).await {
                    Ok(next) => events = next,
                    Err(error) => {
                        yield Err(error);
                        return;
                    }
                }
            }
        }
        .boxed()
    }

    /// What an event tells, and where that leaves us.
    fn read(
        &self,
        event: kube::Result<WatchEvent<K>>,
        position: &mut String,
    ) -> Result<Option<Change<K>>, ObjectError> {
        let mut reached = |object: &K| {
            if let Some(version) = &object.meta().resource_version {
                position.clone_from(version);
            }
        };
        match event {
            Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                reached(&object);
                Ok(Some(Change::Applied(tidy(object))))
            }
            Ok(WatchEvent::Deleted(object)) => {
                reached(&object);
                Ok(Some(Change::Deleted(tidy(object))))
            }
            Ok(WatchEvent::Bookmark(bookmark)) => {
                *position = bookmark.metadata.resource_version;
                Ok(None)
            }
            Ok(WatchEvent::Error(status)) => Err(answer::refusal(&self.inner.kind, "", *status)),
            Err(error) => Err(answer::error(&self.inner.kind, "", error)),
        }
    }
}

/// Whether a watch was refused because it was to begin with a list: an API server before 1.32, one that was told not to,
/// or one whose etcd is too old for it, which says so only in the stream.
fn streams_no_lists(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.is_invalid() || status.is_forbidden(),
        watcher::Error::WatchError(status) => status.message.contains("RequestWatchProgress"),
        _ => false,
    }
}
