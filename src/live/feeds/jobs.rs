//! Jobs: each person sees those that they asked for, some see everybody's.
//!
//! They are rows of a table whose changes have numbers ([`crate::store::jobs::feed`]); `NOTIFY` says that there are
//! new ones, and every few seconds is looked anyway. So a change reaches every replica, from whichever it comes.
//!
//! The feed holds jobs that have not ended and the latest of those that have; older ones are for `GET`.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    domain::jobs::Job,
    live::{event::Subject, feed::Item, hub::Hub, scope::Whose},
    store::{
        Pool, Subscription,
        jobs::feed::{self, What},
    },
};

/// Most jobs that have not ended which are kept.
const ACTIVE_MAX: i64 = 5_000;
/// Most jobs that have ended which are kept.
const ENDED_MAX: usize = 500;
/// The same for the database.
const ENDED_LISTED: i64 = ENDED_MAX.cast_signed() as i64;
/// Most changes that are read at once.
const BATCH: i64 = 1_000;
/// How often is looked although nothing was announced.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A pause between two looks, in which changes come together.
const PAUSE: Duration = Duration::from_millis(10);
/// A pause after a failure.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Follows the jobs until asked to end.
pub async fn run(hub: Hub, pool: Pool, wakes: Subscription, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = Follower { hub, pool, wakes, read: None, ended: VecDeque::new() }.follow() => {}
    }
}

struct Follower {
    hub: Hub,
    pool: Pool,
    wakes: Subscription,
    /// Number of the change that was read last; `None`: the list has to be read.
    read: Option<u64>,
    /// Jobs that have ended, the oldest first.
    ended: VecDeque<String>,
}

impl Follower {
    async fn follow(mut self) {
        let mut away = false;
        loop {
            self.wakes.mark_seen();
            if let Err(error) = self.look().await {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(error = %error, "cannot follow the jobs; trying again");
                }
                // What was removed long ago is not told as a change any more.
                self.read = None;
                sleep(TRY_AGAIN).await;
                continue;
            }
            away = false;
            sleep(PAUSE).await;
            let _ = timeout(LOOK_EVERY, self.wakes.woken()).await;
        }
    }

    /// Tells everything that is new.
    async fn look(&mut self) -> Result<(), Error> {
        let db = self.pool.get().await?;
        if self.read.is_none() || feed::is_behind(&db).await? {
            while feed::number(&db).await? {}
        }
        let mut read = match self.read {
            Some(read) => read,
            None => self.read_list(&db).await?,
        };
        loop {
            let changes = feed::after(&db, read, BATCH).await?;
            let full = i64::try_from(changes.len()).is_ok_and(|count| count == BATCH);
            for change in changes {
                read = change.number;
                match change.what {
                    What::Now(job) => self.tell(change.number, &job)?,
                    What::Gone(id, owner) => {
                        self.hub.deleted(Subject::Jobs, &gone(&id, owner.as_deref(), change.number));
                    }
                }
            }
            self.read = Some(read);
            if !full {
                return Ok(());
            }
        }
    }

    async fn read_list(&mut self, db: &deadpool_postgres::Client) -> Result<u64, Error> {
        let (jobs, head) = feed::list(db, ACTIVE_MAX, ENDED_LISTED).await?;
        self.ended =
            jobs.iter().rev().filter(|(_, job)| job.status.is_final()).map(|(_, job)| job.id.clone()).collect();
        let items = jobs.iter().map(|(number, job)| item(*number, job)).collect::<Result<_, _>>()?;
        self.hub.reset(Subject::Jobs, items, head);
        Ok(head)
    }

    fn tell(&mut self, number: u64, job: &Job) -> Result<(), Error> {
        self.hub.applied(Subject::Jobs, item(number, job)?);
        self.ended.retain(|ended| *ended != job.id);
        if job.status.is_final() {
            self.ended.push_back(job.id.clone());
        }
        let old: Vec<String> = self.ended.drain(..self.ended.len().saturating_sub(ENDED_MAX)).collect();
        if !old.is_empty() {
            self.hub.forget(Subject::Jobs, &old);
        }
        Ok(())
    }
}

fn item(number: u64, job: &Job) -> Result<Item, Error> {
    Ok(Item {
        name: job.id.as_str().into(),
        number,
        whose: whose(&job.id, job.created_by.as_deref()),
        logs: None,
        json: serde_json::to_vec(job).map_err(Error::internal)?.into(),
    })
}

/// A job of which only its id is left.
fn gone(id: &str, owner: Option<&str>, number: u64) -> Item {
    let json = serde_json::json!({ "id": id }).to_string();
    Item { name: id.into(), number, whose: whose(id, owner), logs: None, json: json.into() }
}

/// What the platform does by itself is for those who see everybody's jobs.
fn whose(id: &str, owner: Option<&str>) -> Whose {
    Whose { uid: id.into(), owner: Some(owner.unwrap_or_default().into()), groups: Arc::default() }
}
