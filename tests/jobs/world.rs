//! Workers on a database of the test's own, and handlers that do as they are told.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use streamspace::{
    clock::{Clock, SystemClock},
    domain::jobs::{Job, Status},
    jobs::{self, Done, Failure, Handler, New, Options, Run},
    store::{self, Listener, Pool},
    telemetry::task::Tasks,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::{postgres::TestDatabase, until::within};

/// Longest wait for anything here.
const WITHIN: Duration = Duration::from_secs(20);

/// What the handler of a type does.
type Deed = Arc<dyn Fn(Run) -> futures::future::BoxFuture<'static, Result<Done, Failure>> + Send + Sync>;

/// A handler made of a function.
#[derive(Clone)]
pub struct Does(pub &'static str, pub Deed);

#[async_trait]
impl Handler for Does {
    fn kind(&self) -> &'static str {
        self.0
    }

    async fn run(&self, run: &Run) -> Result<Done, Failure> {
        (self.1)(run.clone()).await
    }
}

/// A handler of `kind` that does `deed`.
pub fn does<F>(kind: &'static str, deed: impl Fn(Run) -> F + Send + Sync + 'static) -> Arc<dyn Handler>
where
    F: Future<Output = Result<Done, Failure>> + Send + 'static,
{
    Arc::new(Does(kind, Arc::new(move |run| Box::pin(deed(run)))))
}

/// A door that a handler waits at.
#[derive(Clone, Default)]
pub struct Door(Arc<(Notify, AtomicU32)>);

impl Door {
    /// Waits until it is opened.
    pub async fn pass(&self) {
        self.0.1.fetch_add(1, Ordering::SeqCst);
        self.0.0.notified().await;
    }

    /// How many have come to it.
    pub fn arrived(&self) -> u32 {
        self.0.1.load(Ordering::SeqCst)
    }

    /// Lets one through.
    pub fn open(&self) {
        self.0.0.notify_one();
    }
}

/// A handler of jobs of type `kind` that wait at `door` and then are done.
pub fn waits(kind: &'static str, door: &Door) -> Arc<dyn Handler> {
    let door = door.clone();
    does(kind, move |_| {
        let door = door.clone();
        async move {
            door.pass().await;
            nothing()
        }
    })
}

/// A database with jobs.
pub struct World {
    pub database: TestDatabase,
}

/// A process that works on jobs; dropped, it is gone as after a crash.
pub struct Replica {
    pub tasks: Option<Tasks>,
}

impl Replica {
    /// Ends it in order.
    pub async fn stop(mut self) {
        self.tasks.take().unwrap().end(Duration::from_secs(10)).await;
    }
}

/// Everything happens soon.
pub fn quick() -> Options {
    Options {
        lease: Duration::from_millis(1_500),
        renew_every: Duration::from_millis(300),
        poll_every: Duration::from_millis(100),
        sweep_every: Duration::from_millis(100),
        first_pause: Duration::from_millis(20),
        grace: Duration::from_millis(300),
        ..Options::default()
    }
}

impl World {
    pub async fn new() -> Self {
        Self { database: TestDatabase::create().await }
    }

    pub fn pool(&self) -> &Pool {
        &self.database.pool
    }

    /// Starts a worker with its own connections.
    pub fn replica(&self, handlers: Vec<Arc<dyn Handler>>, options: Options) -> Replica {
        self.replica_at(SystemClock::shared(), handlers, options)
    }

    /// The same with a clock of its own.
    pub fn replica_at(&self, clock: Arc<dyn Clock>, handlers: Vec<Arc<dyn Handler>>, options: Options) -> Replica {
        let mut tasks = Tasks::new(CancellationToken::new());
        let connector = self.database.connector.clone();
        let pool = store::pool(&connector, &crate::support::postgres::database(&[])).unwrap();
        let listener = Listener::start(connector, &mut tasks);
        jobs::start(pool, &listener, clock, handlers, options, &mut tasks);
        Replica { tasks: Some(tasks) }
    }

    pub async fn enqueue(&self, kind: &str, target: &str) -> Job {
        self.add(&jobs::new(kind, target)).await
    }

    pub async fn add(&self, new: &New) -> Job {
        jobs::enqueue(&self.pool().get().await.unwrap(), new).await.unwrap().0
    }

    pub async fn job(&self, id: &str) -> Job {
        store::jobs::get(&self.pool().get().await.unwrap(), id).await.unwrap().unwrap()
    }

    pub async fn execute(&self, sql: &str) -> u64 {
        self.pool().get().await.unwrap().execute(sql, &[]).await.unwrap()
    }

    /// The job, once it is in that state.
    pub async fn until(&self, id: &str, status: Status) -> Job {
        until(&format!("{id} is {}", status.word()), async || {
            Some(self.job(id).await).filter(|job| job.status == status)
        })
        .await
    }

    pub async fn log(&self, id: &str) -> Vec<String> {
        let db = self.pool().get().await.unwrap();
        let (lines, total) = store::jobs::logs::read(&db, id, 0, 1_000).await.unwrap();
        assert_eq!(usize::try_from(total).unwrap(), lines.len());
        lines.into_iter().map(|line| line.message).collect()
    }
}

/// Waits until `look` finds what it looks for, and says what was awaited where it never comes.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(WITHIN, what, look).await
}

/// Counts what happened, by word.
#[derive(Clone, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<String, u32>>>);

impl Tally {
    pub fn add(&self, word: &str) -> u32 {
        let mut all = self.0.lock().unwrap();
        let count = all.entry(word.to_owned()).or_default();
        *count += 1;
        *count
    }

    pub fn of(&self, word: &str) -> u32 {
        self.0.lock().unwrap().get(word).copied().unwrap_or_default()
    }
}

/// A result that says nothing.
#[allow(clippy::unnecessary_wraps, reason = "it is what a handler returns")]
pub fn nothing() -> Result<Done, Failure> {
    Ok(Done::With(Value::Null))
}

/// A result.
#[allow(clippy::unnecessary_wraps, reason = "it is what a handler returns")]
pub fn result(of: &str) -> Result<Done, Failure> {
    Ok(Done::With(json!({ "of": of })))
}
