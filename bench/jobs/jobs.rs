//! The job engine beside plain INSERTs into the same PostgreSQL: how many jobs go their whole way in a second, and how
//! soon a lone job is picked up. Prints one JSON object.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a measurement stops at the first surprise")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::{Value, json};
use streamspace::{
    Error,
    clock::SystemClock,
    jobs::{self, Done, Failure, Handler, Options, Run},
    store::{Listener, Pool},
    telemetry::task::Tasks,
};
use tokio_util::sync::CancellationToken;

#[allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "shared with the tests")]
#[path = "../../tests/support/postgres.rs"]
mod postgres;

use postgres::Postgres;

const JOBS: usize = 50_000;
const WORKERS: usize = 8;
/// Lone jobs, one after the other.
const LONE: usize = 500;
/// As on a machine that must not lose what was committed.
const DURABLE: &str = "-c fsync=on -c full_page_writes=on -c synchronous_commit=on";

/// Is done at once, in the transaction that ends the job.
struct Nothing(Pool);

#[async_trait]
impl Handler for Nothing {
    fn kind(&self) -> &'static str {
        "nothing"
    }

    async fn run(&self, run: &Run) -> Result<Done, Failure> {
        let mut client = self.0.get().await.map_err(Error::from)?;
        let transaction = client.transaction().await.map_err(Error::from)?;
        run.complete(&transaction, Value::Null).await?;
        transaction.commit().await.map_err(Error::from)?;
        Ok(Done::Written)
    }
}

/// Does `JOBS` of them over `WORKERS` connections at once; answers how many a second.
async fn rate<F: Future<Output = ()>>(one: impl Fn(usize) -> F) -> f64 {
    let began = Instant::now();
    let one = &one;
    join_all((0..WORKERS).map(|worker| async move {
        for number in (worker..JOBS).step_by(WORKERS) {
            one(number).await;
        }
    }))
    .await;
    per_second(JOBS, began)
}

#[allow(clippy::cast_precision_loss, reason = "a few thousand")]
fn per_second(count: usize, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}

async fn plain(pool: &Pool) -> f64 {
    let db = pool.get().await.expect("a connection");
    db.batch_execute(
        "CREATE TABLE plain (id text PRIMARY KEY, type text, target text, payload json, at timestamptz DEFAULT now())",
    )
    .await
    .expect("a table");
    drop(db);
    rate(async |number| {
        let db = pool.get().await.expect("a connection");
        let insert = "INSERT INTO plain (id, type, target, payload) VALUES ($1, 'nothing', $2, 'null')";
        let statement = db.prepare_cached(insert).await.expect("a statement");
        db.execute(&statement, &[&format!("job-{number}"), &format!("target/{number}")]).await.expect("a row");
    })
    .await
}

async fn until_none_is_open(pool: &Pool) {
    let open = "SELECT EXISTS (SELECT FROM jobs WHERE status IN ('PENDING', 'RUNNING'))";
    loop {
        let db = pool.get().await.expect("a connection");
        if !db.query_one(open, &[]).await.expect("an answer").get::<_, bool>(0) {
            return;
        }
        drop(db);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn enqueue(pool: &Pool, number: usize) {
    let db = pool.get().await.expect("a connection");
    jobs::enqueue(&db, &jobs::new("nothing", format!("target/{number}"))).await.expect("a job");
}

/// Enqueues all while the workers work; answers whole jobs a second.
async fn cycle(pool: &Pool) -> f64 {
    let began = Instant::now();
    rate(async |number| enqueue(pool, number).await).await;
    until_none_is_open(pool).await;
    per_second(JOBS, began)
}

/// Milliseconds from the commit of a lone job to its start, as the database's clock has it: median and 99th percentile.
async fn pick_up(pool: &Pool) -> (f64, f64) {
    let db = pool.get().await.expect("a connection");
    db.batch_execute("TRUNCATE jobs CASCADE").await.expect("no jobs");
    drop(db);
    for number in 0..LONE {
        enqueue(pool, number).await;
        until_none_is_open(pool).await;
    }
    let db = pool.get().await.expect("a connection");
    let waited = "SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP
                      (ORDER BY 1000 * extract(epoch FROM started_at - created_at)::float8) FROM jobs";
    let found: Vec<f64> = db.query_one(waited, &[]).await.expect("times").get(0);
    (found[0], found[1])
}

#[tokio::main]
async fn main() {
    let postgres = Postgres::start_with(DURABLE, &[]);
    let database = postgres.database("jobs").await;
    let pool = database.pool.clone();
    let plain = plain(&pool).await;
    let mut tasks = Tasks::new(CancellationToken::new());
    let listener = Listener::start(database.connector.clone(), &mut tasks);
    let handlers: Vec<Arc<dyn Handler>> = vec![Arc::new(Nothing(pool.clone()))];
    let options = Options { workers: WORKERS, ..Options::default() };
    jobs::start(pool.clone(), &listener, SystemClock::shared(), handlers, options, &mut tasks);
    let cycle = cycle(&pool).await;
    let (median, p99) = pick_up(&pool).await;
    println!("{}", json!({ "insertsPerS": plain, "jobsPerS": cycle, "pickUpMedianMs": median, "pickUpP99Ms": p99 }));
    tasks.end(Duration::from_secs(5)).await;
}
