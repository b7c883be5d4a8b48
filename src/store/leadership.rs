//! Who runs the controller: one row, an epoch that grows with every change of the holder, and a lease by the
//! database's clock.
//!
//! The epoch goes with every write of the leader: a transaction that holds the row `FOR SHARE` keeps a successor
//! waiting, and one that comes after a successor finds another epoch. So a stale leader does no harm, however wrong
//! its clock is.

use std::time::Duration;

use deadpool_postgres::GenericClient;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Connector, Pool, StoreError};
use crate::{error::Error, telemetry::task::Tasks};

/// A lease lasts so long after its last renewal.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed, and how often others try.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How soon it is tried again after the database did not answer: once it is back, nobody leads until then.
const AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Longest time for giving it back at a stop.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// Who asks for the leadership.
#[derive(Clone, Debug)]
pub struct Candidate {
    holder: String,
    folder: Option<String>,
}

impl Candidate {
    /// This process. `folder`: the identity of the data folder whose lock it holds; an earlier holder with the same one
    /// has ended, so that nobody waits for its lease.
    #[must_use]
    pub fn new(folder: Option<String>) -> Self {
        Self { holder: Uuid::new_v4().to_string(), folder }
    }
}

/// A handle to this process's part in the election.
#[derive(Clone, Debug)]
pub struct Leadership {
    epoch: watch::Receiver<Option<i64>>,
    lasts_until: watch::Receiver<Instant>,
}

impl Leadership {
    /// Stands for election until the tasks end, and then gives the leadership back. On a connection of its own: a crowd
    /// of requests must not cost the leadership.
    ///
    /// # Errors
    /// As [`super::pool`].
    pub fn start(connector: &Connector, candidate: Candidate, tasks: &mut Tasks) -> Result<Self, StoreError> {
        let (sender, epoch) = watch::channel(None);
        let (lease, lasts_until) = watch::channel(Instant::now());
        let (own, stop) = (super::one_connection(connector)?, tasks.stopping());
        tasks.start("leadership", async move { stand(&own, &candidate, &sender, &lease, stop).await });
        Ok(Self { epoch, lasts_until })
    }

    /// The epoch under which this process leads; `None` while another does. Changes when that changes.
    #[must_use]
    pub fn epoch(&self) -> watch::Receiver<Option<i64>> {
        self.epoch.clone()
    }

    /// Whether this process leads under `epoch` and does for so long still, by a clock that nobody can set.
    #[must_use]
    pub fn holds(&self, epoch: i64, longer: Duration) -> bool {
        *self.epoch.borrow() == Some(epoch) && Instant::now() + longer < *self.lasts_until.borrow()
    }
}

/// `lease`: its end by this process's own clock, counted from before the question, so never later than the database's.
async fn stand(
    own: &Pool,
    candidate: &Candidate,
    sender: &watch::Sender<Option<i64>>,
    lease: &watch::Sender<Instant>,
    stop: CancellationToken,
) {
    let mut failing = false;
    loop {
        let began = Instant::now();
        let asked = tokio::time::timeout(RENEW_EVERY, async { acquire(&own.get().await?, candidate).await }).await;
        let epoch = match asked.unwrap_or_else(|_| Err(Error::Unavailable("no answer in time".into()))) {
            Ok(epoch) => {
                lease.send_replace(began + LEASE);
                failing = false;
                epoch
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(error = ?error, "the leadership could not be renewed: trying until it can");
                }
                failing = true;
                // One failed attempt does not end a lease.
                sender.borrow().filter(|_| Instant::now() + RENEW_EVERY < *lease.borrow())
            }
        };
        sender.send_if_modified(|current| {
            let changed = *current != epoch;
            if changed {
                tracing::info!(leader.epoch = epoch, "{}", if epoch.is_some() { "leading" } else { "not leading" });
            }
            *current = epoch;
            changed
        });
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(if failing { AGAIN_AFTER_FAILURE } else { RENEW_EVERY }) => {}
        }
    }
    sender.send_replace(None);
    let released = tokio::time::timeout(RELEASE_WITHIN, async { release(&own.get().await?, candidate).await }).await;
    if !matches!(released, Ok(Ok(()))) {
        tracing::warn!("the leadership was not given back: a successor waits for the end of its lease");
    }
}

/// Takes or renews the leadership and returns its epoch; `None` while another holder's lease lasts.
///
/// # Errors
/// [`Error::Database`].
pub async fn acquire(client: &impl GenericClient, candidate: &Candidate) -> Result<Option<i64>, Error> {
    let statement = client
        .prepare_cached(
            "UPDATE leadership
             SET epoch = CASE WHEN holder = $1 THEN epoch ELSE epoch + 1 END, holder = $1, folder = $2,
                 expires_at = clock_timestamp() + make_interval(secs => $3)
             WHERE holder = $1 OR holder IS NULL OR expires_at <= clock_timestamp() OR folder = $2
             RETURNING epoch",
        )
        .await?;
    let row = client.query_opt(&statement, &[&candidate.holder, &candidate.folder, &LEASE.as_secs_f64()]).await?;
    Ok(row.map(|row| row.get("epoch")))
}

/// Gives the leadership back, if `candidate` has it.
///
/// # Errors
/// [`Error::Database`].
pub async fn release(client: &impl GenericClient, candidate: &Candidate) -> Result<(), Error> {
    let statement =
        client.prepare_cached("UPDATE leadership SET holder = NULL, folder = NULL WHERE holder = $1").await?;
    client.execute(&statement, &[&candidate.holder]).await?;
    Ok(())
}
