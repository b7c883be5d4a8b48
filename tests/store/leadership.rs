//! One leader at a time, and a stale one is stopped by the database.

use std::time::Duration;

use deadpool_postgres::Timeouts;
use streamspace::store::{
    Pool,
    leadership::{Candidate, Leadership, acquire, release},
};
use streamspace::telemetry::task::Tasks;
use tokio_util::sync::CancellationToken;

use crate::postgres::TestDatabase;

async fn ask(pool: &Pool, candidate: &Candidate) -> Option<i64> {
    acquire(&pool.get().await.unwrap(), candidate).await.unwrap()
}

async fn let_the_lease_end(pool: &Pool) {
    pool.get().await.unwrap().batch_execute("UPDATE leadership SET expires_at = clock_timestamp()").await.unwrap();
}

#[tokio::test]
async fn one_of_many_candidates_leads() {
    let database = TestDatabase::create().await;
    let candidates: Vec<Candidate> = (0..8).map(|_| Candidate::new(None)).collect();
    let answers = futures::future::join_all(candidates.iter().map(|candidate| ask(&database.pool, candidate))).await;
    assert_eq!(answers.iter().flatten().count(), 1);
}

#[tokio::test]
async fn a_renewal_keeps_the_epoch_and_a_new_holder_gets_the_next() {
    let database = TestDatabase::create().await;
    let (one, other) = (Candidate::new(None), Candidate::new(None));
    let first = ask(&database.pool, &one).await.unwrap();
    assert_eq!(ask(&database.pool, &one).await, Some(first));
    assert_eq!(ask(&database.pool, &other).await, None, "while the lease lasts");
    let_the_lease_end(&database.pool).await;
    assert_eq!(ask(&database.pool, &other).await, Some(first + 1));
    assert_eq!(ask(&database.pool, &one).await, None);
}

#[tokio::test]
async fn a_leadership_that_was_given_back_is_free_at_once() {
    let database = TestDatabase::create().await;
    let (one, other) = (Candidate::new(None), Candidate::new(None));
    let first = ask(&database.pool, &one).await.unwrap();
    let client = database.pool.get().await.unwrap();
    release(&client, &other).await.unwrap();
    assert_eq!(ask(&database.pool, &other).await, None, "only the holder can give it back");
    release(&client, &one).await.unwrap();
    assert_eq!(ask(&database.pool, &other).await, Some(first + 1));
}

#[tokio::test]
async fn who_holds_the_data_folder_takes_over_from_its_earlier_self_at_once() {
    let database = TestDatabase::create().await;
    let folder = |name: &str| Candidate::new(Some(name.into()));
    let first = ask(&database.pool, &folder("here")).await.unwrap();
    assert_eq!(ask(&database.pool, &folder("elsewhere")).await, None, "another folder proves nothing");
    assert_eq!(ask(&database.pool, &Candidate::new(None)).await, None);
    assert_eq!(ask(&database.pool, &folder("here")).await, Some(first + 1));
}

#[tokio::test]
async fn a_successor_waits_for_a_write_that_is_under_way() {
    let database = TestDatabase::create().await;
    let (one, other) = (Candidate::new(None), Candidate::new(None));
    let epoch = ask(&database.pool, &one).await.unwrap();
    let_the_lease_end(&database.pool).await;
    let mut writer = database.pool.get().await.unwrap();
    let writing = writer.transaction().await.unwrap();
    writing.query_one("SELECT FROM leadership WHERE epoch = $1 FOR SHARE", &[&epoch]).await.unwrap();
    let pool = database.pool.clone();
    let asking = streamspace::telemetry::task::spawn("successor", async move { ask(&pool, &other).await });
    let admin = database.pool.get().await.unwrap();
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waits = async { while admin.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {} };
    tokio::time::timeout(Duration::from_secs(10), waits).await.expect("the successor waits for the writer");
    assert!(!asking.is_finished());
    writing.commit().await.unwrap();
    assert_eq!(asking.await.unwrap(), Some(Some(epoch + 1)));
}

#[tokio::test]
async fn a_server_that_stops_gives_its_leadership_back() {
    let database = TestDatabase::create().await;
    let mut tasks = Tasks::new(CancellationToken::new());
    let leadership = Leadership::start(&database.connector, Candidate::new(None), &mut tasks).unwrap();
    let mut epoch = leadership.epoch();
    let first = epoch.wait_for(Option::is_some).await.unwrap().unwrap();
    tasks.end(Duration::from_secs(5)).await;
    assert_eq!(*epoch.borrow(), None);
    assert_eq!(ask(&database.pool, &Candidate::new(None)).await, Some(first + 1));
}

#[tokio::test]
async fn a_crowd_that_holds_every_connection_does_not_cost_the_leadership() {
    let database = TestDatabase::create().await;
    let mut crowd = Vec::new();
    while let Ok(client) = database.pool.timeout_get(&Timeouts::wait_millis(0)).await {
        crowd.push(client);
    }
    assert_eq!(crowd.len(), database.pool.status().max_size, "nobody else gets a connection");
    let mut tasks = Tasks::new(CancellationToken::new());
    let leadership = Leadership::start(&database.connector, Candidate::new(None), &mut tasks).unwrap();
    let mut epoch = leadership.epoch();
    let leads = tokio::time::timeout(Duration::from_secs(10), epoch.wait_for(Option::is_some)).await;
    assert!(leads.expect("it leads while the crowd is there").is_ok());
    tasks.end(Duration::from_secs(5)).await;
}
