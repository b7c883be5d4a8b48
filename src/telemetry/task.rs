//! Named tasks: every task has a name and an owner who notices its death.

use std::{fmt, future::Future, panic::AssertUnwindSafe};

use futures::FutureExt;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// A group of tasks with one owner, who asks it to end and waits for it.
///
/// A task that panics, or ends although nobody asked it to, is reported: an essential one as the group's failure.
pub struct Tasks {
    set: JoinSet<()>,
    names: std::collections::HashMap<Id, &'static str>,
    stop: CancellationToken,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("names", &self.names.values().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// A task ended on its own.
#[derive(Debug, thiserror::Error)]
#[error("task {name} ended unexpectedly{}", if *.panicked { " (it panicked)" } else { "" })]
pub struct TaskDied {
    /// Its name.
    pub name: &'static str,
    /// Whether by a panic.
    pub panicked: bool,
}

impl Tasks {
    /// An empty group that ends with `stop`.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { set: JoinSet::new(), names: std::collections::HashMap::new(), stop }
    }

    /// What the tasks listen to.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task that is to run until [`Tasks::stopping`] fires.
    pub fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.set.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// Waits until a task ends that was not asked to; pending while all are well.
    pub async fn failure(&mut self) -> TaskDied {
        loop {
            match self.set.join_next_with_id().await {
                None => std::future::pending().await,
                Some(Ok((id, ()))) => {
                    let name = self.names.remove(&id).unwrap_or("unnamed");
                    if !self.stop.is_cancelled() {
                        return TaskDied { name, panicked: false };
                    }
                }
                Some(Err(error)) => {
                    let name = self.names.remove(&error.id()).unwrap_or("unnamed");
                    return TaskDied { name, panicked: error.is_panic() };
                }
            }
        }
    }

    /// Asks every task to end and waits for it, at most `limit`; what is left then is aborted and named in the log.
    pub async fn end(mut self, limit: std::time::Duration) {
        self.stop.cancel();
        let all = async { while self.set.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!(tasks = ?self.names.values().collect::<Vec<_>>(), "tasks did not end in time");
            self.set.abort_all();
        }
    }
}

/// Starts a short-lived task whose owner is the log: its panic is reported there under `name`.
///
/// For work that belongs to one connection or request and ends with it; anything longer belongs to [`Tasks`].
#[allow(clippy::disallowed_methods, reason = "this is the helper that everything else uses")]
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<Option<T>> {
    let inner = tokio::spawn(task);
    tokio::spawn(async move {
        let _abort = AbortOnDrop(inner.abort_handle());
        let result = inner.await;
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(task.name = name, "a task panicked");
                }
                None
            }
        }
    })
}

/// The same for what belongs to one thread, such as the bodies of requests; for use inside an HTTP worker.
#[allow(clippy::disallowed_methods, reason = "this is the helper that everything else uses")]
pub fn spawn_local(name: &'static str, task: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(async move {
        // What it shares is dropped with it.
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            tracing::error!(task.name = name, "a task panicked");
        }
    });
}

/// Aborts the inner task when the outer is aborted; does nothing once the inner has ended.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
