//! F6: workers killed at random over 20,000 jobs, of which 100 are poisonous.

#![allow(clippy::disallowed_methods, reason = "a worker process is told by its environment where its database is")]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use streamspace::{
    Error,
    clock::SystemClock,
    jobs::{self, Done, Failure, Handler, Options, Run},
    store::{self, Connector, Listener, Pool},
    telemetry::task::Tasks,
};
use tokio_util::sync::CancellationToken;

use crate::postgres::{Postgres, database};

const JOBS: i64 = 20_000;
const POISONOUS: i64 = 100;
const TARGETS: i64 = 500;
const WORKERS: usize = 4;
/// Longest time for all of it.
const WITHIN: Duration = Duration::from_mins(10);
/// Where a worker process finds its database: the socket's folder.
const SOCKET: &str = "JOB_WORKER_SOCKET";
const DATABASE: &str = "jobs";

/// Writes a row in the transaction that ends the job.
struct Effect(Pool);

#[async_trait]
impl Handler for Effect {
    fn kind(&self) -> &'static str {
        "effect"
    }

    async fn run(&self, run: &Run) -> Result<Done, Failure> {
        let mut client = self.0.get().await.map_err(Error::from)?;
        let transaction = client.transaction().await.map_err(Error::from)?;
        let insert = "INSERT INTO effects (job) VALUES ($1)";
        transaction.execute(insert, &[&run.job().id]).await.map_err(Error::from)?;
        run.complete(&transaction, Value::Null).await?;
        transaction.commit().await.map_err(Error::from)?;
        Ok(Done::Written)
    }
}

/// Never succeeds.
struct Poison;

#[async_trait]
impl Handler for Poison {
    fn kind(&self) -> &'static str {
        "poison"
    }

    async fn run(&self, _: &Run) -> Result<Done, Failure> {
        Err(Failure::Again("poisonous".into()))
    }
}

fn connector(folder: &Path) -> Connector {
    let mut config = tokio_postgres::Config::new();
    config.host_path(folder).user("postgres").dbname(DATABASE);
    Connector::local(config).expect("a connector")
}

/// Not a test of its own: the process that is killed. It works until then.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test below"]
async fn worker_process() {
    let folder = PathBuf::from(std::env::var_os(SOCKET).expect("started by the test below"));
    let connector = connector(&folder);
    let pool = store::pool(&connector, &database(&[])).expect("a pool");
    let mut tasks = Tasks::new(CancellationToken::new());
    let listener = Listener::start(connector, &mut tasks);
    let options = Options {
        lease: Duration::from_secs(2),
        renew_every: Duration::from_millis(400),
        sweep_every: Duration::from_millis(300),
        first_pause: Duration::from_millis(100),
        ..Options::default()
    };
    let handlers: Vec<Arc<dyn Handler>> = vec![Arc::new(Effect(pool.clone())), Arc::new(Poison)];
    jobs::start(pool, &listener, SystemClock::shared(), handlers, options, &mut tasks);
    tasks.failure().await;
}

struct Worker(Child);

impl Worker {
    fn start(folder: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program)
            .args(["--ignored", "--exact", "jobs::worker_process"])
            .env(SOCKET, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("a process"))
    }

    /// Ends it without a word of warning.
    fn kill(&mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_every_job_ends_and_each_effect_happens_once_although_workers_are_killed_at_random() {
    let seed: u64 = rand::random();
    println!("F6: seed {seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let postgres = Postgres::start();
    let test = postgres.database(DATABASE).await;
    let db = test.pool.get().await.expect("a connection");
    // Without a key, so that a second effect would be counted and not refused.
    db.batch_execute("CREATE TABLE effects (job text NOT NULL)").await.expect("a table");
    for number in 0..JOBS {
        let kind = if number % (JOBS / POISONOUS) == 0 { "poison" } else { "effect" };
        jobs::enqueue(&db, &jobs::new(kind, format!("target/{}", number % TARGETS))).await.expect("a job");
    }
    let folder = postgres.folder().to_owned();
    let mut workers: Vec<Worker> = (0..WORKERS).map(|_| Worker::start(&folder)).collect();
    let (began, mut kills) = (Instant::now(), 0);
    let open = "SELECT count(*) FROM jobs WHERE status IN ('PENDING', 'RUNNING')";
    while db.query_one(open, &[]).await.expect("a count").get::<_, i64>(0) > 0 {
        assert!(began.elapsed() < WITHIN, "F6: not all jobs have ended after {kills} kills");
        tokio::time::sleep(Duration::from_millis(chance.random_range(200..1_500))).await;
        let one = chance.random_range(0..WORKERS);
        workers[one].kill();
        workers[one] = Worker::start(&folder);
        kills += 1;
    }
    let count = async |sql: &str| db.query_one(sql, &[]).await.expect("a count").get::<_, i64>(0);
    let (dead, effects) =
        (count("SELECT count(*) FROM jobs WHERE status = 'DEAD'").await, count("SELECT count(*) FROM effects").await);
    let poisonous = count("SELECT count(*) FROM jobs WHERE status = 'DEAD' AND type = 'poison'").await;
    let each = count("SELECT count(DISTINCT job) FROM effects").await;
    println!("F6: {JOBS} jobs, {kills} kills, {} s, {dead} dead letters, {effects} effects", began.elapsed().as_secs());
    assert_eq!((dead, poisonous), (POISONOUS, POISONOUS), "dead letters are exactly the poisonous");
    assert_eq!((effects, each), (JOBS - POISONOUS, JOBS - POISONOUS), "each effect once");
    assert!(kills > 3, "workers were killed");
}
