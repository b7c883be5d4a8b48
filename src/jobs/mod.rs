//! The one engine for long work: jobs are rows, workers of any replica take them.
//!
//! ```text
//! a transaction ── enqueue ──▶ jobs (PENDING) ── NOTIFY ──▶ worker: take (RUNNING, a lock with a number)
//!                                 ▲                            │  handler ── progress, log, effects, with that number
//!         lost: janitor ──────────┤                            ▼
//!         failed: a pause ────────┴──────────────── SUCCEEDED, FAILED, CANCELLED, DEAD
//! ```
//!
//! A handler may be cut off at any point, and its job is then run again from the start by whoever takes it: what it
//! does has to be repeatable. What must happen once happens in the transaction that ends the job ([`Run::complete`]),
//! or in one that the job's number guards ([`Run::guard`]).

mod janitor;
mod keeper;
mod run;
mod worker;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use crate::store::jobs::New;
pub use run::Run;

use crate::{
    Error,
    clock::Clock,
    domain::jobs::{ATTEMPTS, Job},
    store::{self, JOB_CANCELS, JOBS, Listener, Pool, jobs::feed},
    telemetry::task::Tasks,
};

/// Does the jobs of one type.
#[async_trait]
pub trait Handler: Send + Sync {
    /// The type, such as `catalog.sync`.
    fn kind(&self) -> &'static str;

    /// The longest time that one attempt may take.
    fn limit(&self) -> Duration {
        Duration::from_mins(15)
    }

    /// Does the job. The future is dropped when the job is no longer its worker's, when it takes longer than
    /// [`Handler::limit`], and some seconds after [`Run::stopping`] fired.
    async fn run(&self, run: &Run) -> Result<Done, Failure>;
}

/// How an attempt came to a good end.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// With this result, which is still to be written.
    With(Value),
    /// The handler has written it with its last transaction, by [`Run::complete`].
    Written,
}

/// Why an attempt did not.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// Another attempt may mend it. A sentence for the person.
    Again(String),
    /// Another attempt would not. A sentence for the person.
    Final(String),
    /// It was asked to stop, by [`Run::stopping`].
    Stopped,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Database(source) | Error::Internal(source) => {
                tracing::warn!(error = %source, "a job met an error that its owner is not told");
                Self::Again(error.to_string())
            }
            Error::Unavailable(_) | Error::Engine(_) | Error::TooMany { .. } | Error::KeyInFlight | Error::Stale => {
                Self::Again(error.to_string())
            }
            Error::Invalid(_)
            | Error::BadRequest(_)
            | Error::Unauthenticated
            | Error::SignInRefused(_)
            | Error::Forbidden(_)
            | Error::NotFound { .. }
            | Error::AlreadyExists { .. }
            | Error::Conflict(_)
            | Error::KeyReused
            | Error::QuotaExceeded(_)
            | Error::CannotRunHere(_)
            | Error::NotAllowed(_)
            | Error::NoCluster => Self::Final(error.to_string()),
        }
    }
}

/// A job of type `kind` on `target` that the platform itself asks for; change the fields that are to be otherwise.
#[must_use]
pub fn new(kind: &str, target: impl Into<String>) -> New {
    New {
        kind: kind.into(),
        target: target.into(),
        payload: Value::Null,
        collapsible: false,
        max_attempts: ATTEMPTS,
        delay_s: 0.0,
        correlation_id: None,
        created_by: None,
    }
}

/// Adds a job in the transaction `db` of what makes it necessary: workers hear of it when that commits. Answers the job
/// that was there where `new` collapses with it, and whether it is a new one.
///
/// # Errors
/// [`Error::Database`].
pub async fn enqueue(db: &impl GenericClient, new: &New) -> Result<(Job, bool), Error> {
    store::jobs::insert(db, new).await
}

/// How a process works on jobs.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many jobs at once; 0: none.
    pub workers: usize,
    /// How long a lock lasts after its last renewal.
    pub lease: Duration,
    /// How often locks are renewed: a fraction of `lease`.
    pub renew_every: Duration,
    /// How often is looked for jobs although nothing was announced.
    pub poll_every: Duration,
    /// How often is looked for locks that nobody keeps.
    pub sweep_every: Duration,
    /// About how long is waited before the second attempt.
    pub first_pause: Duration,
    /// How long a handler gets to stop.
    pub grace: Duration,
    /// The identity of the data folder whose lock this process holds: jobs of an earlier process of that folder are
    /// freed at once, without waiting for their locks to expire.
    pub folder: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 8,
            lease: Duration::from_mins(1),
            renew_every: Duration::from_secs(15),
            poll_every: Duration::from_secs(1),
            sweep_every: Duration::from_secs(5),
            first_pause: Duration::from_secs(5),
            grace: Duration::from_secs(5),
            folder: None,
        }
    }
}

/// What the parts of the engine share.
pub(crate) struct Shared {
    pool: Pool,
    clock: Arc<dyn Clock>,
    options: Options,
    changed: Notify,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Shared {
    /// Something about a job was written: those who read the feed are told soon.
    fn changed(&self) {
        self.changed.notify_one();
    }
}

/// Works on the jobs that `handlers` are for, and frees what lost workers left behind, until `tasks` end; then hands
/// back what is not done.
pub fn start(
    pool: Pool,
    listener: &Listener,
    clock: Arc<dyn Clock>,
    handlers: Vec<Arc<dyn Handler>>,
    options: Options,
    tasks: &mut Tasks,
) {
    let shared = Arc::new(Shared { pool, clock, options, changed: Notify::new() });
    tasks.start("jobs.announce", announce(Arc::clone(&shared), tasks.stopping()));
    tasks.start("jobs.janitor", janitor::run(Arc::clone(&shared), tasks.stopping()));
    if shared.options.workers > 0 && !handlers.is_empty() {
        let crew = worker::Crew::new(shared, handlers);
        tasks.start("jobs.keeper", keeper::run(Arc::clone(&crew), tasks.stopping()));
        let (wakes, cancels) = (listener.wakes(JOBS), listener.wakes(JOB_CANCELS));
        tasks.start("jobs.worker", worker::run(crew, wakes, cancels, tasks.stopping()));
    }
}

/// Announcements are this far apart: each is a transaction of its own, which the jobs do not wait for.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(20);

/// Announces changes of jobs. One that is not announced is found by whoever reads the feed a few seconds later.
async fn announce(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.changed.notified() => {}
        }
        let announced = async { feed::announce(&shared.pool.get().await?).await };
        if let Err(error) = announced.await {
            tracing::debug!(error = %error, "changes of jobs could not be announced");
        }
        tokio::time::sleep(ANNOUNCE_EVERY).await;
    }
}
