//! Who works on what: nobody writes whose lock was lost.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use serde_json::Value;
use streamspace::{
    clock::MovableClock,
    domain::jobs::Status,
    jobs::{Done, Options},
    store::jobs::locks::{self, Ending, Worker},
};
use uuid::Uuid;

use crate::world::{Door, World, does, nothing, quick, until, waits};

const LEASE: Duration = Duration::from_mins(1);

fn worker() -> Worker {
    Worker { id: Uuid::new_v4(), folder: None }
}

#[tokio::test]
async fn a_worker_that_was_given_up_writes_nothing_any_more_and_its_successor_does() {
    let world = World::new().await;
    let job = world.enqueue("work", "x").await;
    let db = world.pool().get().await.unwrap();
    let stale = locks::take(&db, &worker(), &["work"], 1, LEASE).await.unwrap().remove(0);
    assert!(locks::take(&db, &worker(), &["work"], 1, LEASE).await.unwrap().is_empty(), "it is taken");
    world.execute("UPDATE job_locks SET expires_at = '-infinity'").await;
    let _janitor = world.replica(Vec::new(), quick());
    world.until(&job.id, Status::Pending).await;
    let fresh =
        until("it can be taken again", async || locks::take(&db, &worker(), &["work"], 1, LEASE).await.unwrap().pop())
            .await;
    assert!(fresh.number > stale.number);
    let progress = streamspace::domain::jobs::Progress::default();
    for (taken, writes) in [(&stale, false), (&fresh, true)] {
        assert_eq!(locks::guard(&db, &taken.job, taken.number).await.unwrap(), writes);
        assert_eq!(locks::note(&db, &taken.job, taken.number, &progress).await.unwrap(), writes);
        let line = streamspace::store::jobs::logs::Line {
            time: taken.job.created_at,
            level: streamspace::domain::jobs::LogLevel::Info,
            message: "here".into(),
        };
        let said = streamspace::store::jobs::logs::append(&db, &taken.job, taken.number, &[line]).await.unwrap();
        assert_eq!(said, writes);
        let ended = locks::end(&db, &taken.job, taken.number, &Ending::Succeeded(Value::Null)).await.unwrap();
        assert_eq!(ended, writes);
    }
    assert_eq!(world.job(&job.id).await.status, Status::Succeeded);
    assert_eq!(world.log(&job.id).await, ["here"]);
}

#[tokio::test]
async fn taking_a_job_reads_few_rows_however_many_wait() {
    let world = World::new().await;
    let db = world.pool().get().await.unwrap();
    // Planned while there was nothing, as on a server that idled until a whole fleet reported at once.
    for _ in 0..8 {
        assert!(locks::take(&db, &worker(), &["work"], 1, LEASE).await.unwrap().is_empty());
    }
    world
        .execute(
            "INSERT INTO jobs (id, type, target, status, payload, collapsible, max_attempts, run_after)
             SELECT 'j' || n, 'work', 't/' || n, 'PENDING', 'null', false, 3, clock_timestamp()
             FROM generate_series(1, 5000) n",
        )
        .await;
    let read = async || {
        db.execute("SELECT pg_stat_force_next_flush()", &[]).await.unwrap();
        let read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'jobs'";
        db.query_one(read, &[]).await.unwrap().get::<_, i64>(0)
    };
    let before = read().await;
    assert_eq!(locks::take(&db, &worker(), &["work"], 8, LEASE).await.unwrap().len(), 8);
    let looked_at = read().await - before;
    assert!(looked_at < 500, "{looked_at} rows for 8 jobs");
    assert!(looked_at >= 8, "what is read is counted");
}

#[tokio::test]
async fn nobody_takes_a_job_over_while_a_transaction_holds_on_to_it() {
    let world = World::new().await;
    world.enqueue("work", "x").await;
    let mut client = world.pool().get().await.unwrap();
    let taken = locks::take(&client, &worker(), &["work"], 1, LEASE).await.unwrap().remove(0);
    world.execute("UPDATE job_locks SET expires_at = '-infinity'").await;
    let transaction = client.transaction().await.unwrap();
    assert!(locks::guard(&transaction, &taken.job, taken.number).await.unwrap());
    let other = world.pool().get().await.unwrap();
    assert!(locks::lost(&other, None, 10).await.unwrap().is_empty(), "it is held on to");
    transaction.commit().await.unwrap();
    assert_eq!(locks::lost(&other, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_lock_that_is_renewed_outlives_its_first_term_many_times() {
    let world = World::new().await;
    let door = Door::default();
    let handler = waits("long", &door);
    let lease = Duration::from_millis(400);
    let options = Options { lease, renew_every: Duration::from_millis(50), ..quick() };
    let _replicas = [world.replica(vec![handler.clone()], options.clone()), world.replica(vec![handler], options)];
    let job = world.enqueue("long", "x").await;
    until("it begins", async || (door.arrived() == 1).then_some(())).await;
    let first: String = expiry(&world).await;
    until("its lock was renewed for several terms", async || {
        let sql = "SELECT 1 FROM job_locks WHERE expires_at > $1::text::timestamptz + interval '1500 milliseconds'";
        world.pool().get().await.unwrap().query_opt(sql, &[&first]).await.unwrap()
    })
    .await;
    assert_eq!(door.arrived(), 1, "nobody else began it");
    door.open();
    assert_eq!(world.until(&job.id, Status::Succeeded).await.attempt, 1);
}

async fn expiry(world: &World) -> String {
    let db = world.pool().get().await.unwrap();
    db.query_one("SELECT expires_at::text FROM job_locks", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_worker_whose_lock_is_lost_is_stopped_in_the_middle_of_its_work() {
    let world = World::new().await;
    let (door, gone) = (Door::default(), Door::default());
    let (waiting, leaving) = (door.clone(), gone.clone());
    let handler = does("long", move |_| {
        let (door, gone) = (waiting.clone(), leaving.clone());
        async move {
            let _told = TellsWhenDropped(gone);
            door.pass().await;
            nothing()
        }
    });
    let replica = world.replica(vec![handler], quick());
    world.enqueue("long", "x").await;
    until("it begins", async || (door.arrived() == 1).then_some(())).await;
    world
        .execute("UPDATE job_locks SET number = number + 1, worker = gen_random_uuid() WHERE worker IS NOT NULL")
        .await;
    until("its work is dropped", async || (gone.arrived() == 1).then_some(())).await;
    drop(replica);
}

struct TellsWhenDropped(Door);

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        // The first poll is what counts the arrival.
        let pass = self.0.pass();
        futures::FutureExt::now_or_never(pass);
    }
}

#[tokio::test]
async fn a_server_whose_clock_is_wrong_takes_no_lock_that_has_not_expired() {
    let world = World::new().await;
    let door = Door::default();
    let handler = |kind: &'static str| waits(kind, &door);
    let options = Options { lease: LEASE, renew_every: Duration::from_secs(15), ..quick() };
    let honest = world.replica(vec![handler("long")], options.clone());
    let job = world.enqueue("long", "x").await;
    until("it begins", async || (door.arrived() == 1).then_some(())).await;
    let wrong = MovableClock::shared();
    wrong.advance(SignedDuration::from_hours(2));
    let _hasty = world.replica_at(Arc::<MovableClock>::clone(&wrong), vec![handler("long"), handler("other")], options);
    // It sweeps, and does other work meanwhile.
    let other = world.enqueue("other", "y").await;
    until("another begins", async || (door.arrived() == 2).then_some(())).await;
    wrong.advance(SignedDuration::from_hours(-5));
    assert_eq!(world.job(&job.id).await.attempt, 1);
    // Control: by the database's clock it is free.
    drop(honest);
    world.execute("UPDATE job_locks SET expires_at = '-infinity' WHERE target = 'x'").await;
    until("the other one takes it over", async || (door.arrived() == 3).then_some(())).await;
    door.open();
    door.open();
    world.until(&job.id, Status::Succeeded).await;
    world.until(&other.id, Status::Succeeded).await;
}

#[tokio::test]
async fn jobs_of_an_earlier_process_of_the_same_data_folder_are_free_at_its_start() {
    let world = World::new().await;
    let job = world.enqueue("work", "x").await;
    let db = world.pool().get().await.unwrap();
    let earlier = Worker { id: Uuid::new_v4(), folder: Some("here".into()) };
    locks::take(&db, &earlier, &["work"], 1, LEASE).await.unwrap().remove(0);
    let options = |folder: &str| Options { lease: LEASE, folder: Some(folder.into()), ..quick() };
    let elsewhere = world.replica(vec![does("other", async |_| nothing())], options("elsewhere"));
    let control = world.enqueue("other", "y").await;
    world.until(&control.id, Status::Succeeded).await;
    assert_eq!(world.job(&job.id).await.status, Status::Running, "another folder proves nothing");
    let _here = world.replica(vec![does("work", async |_| nothing())], options("here"));
    assert_eq!(world.until(&job.id, Status::Succeeded).await.attempt, 1);
    drop(elsewhere);
}

#[tokio::test]
async fn workers_that_vanish_at_any_point_leave_every_job_done_and_each_effect_once() {
    let world = World::new().await;
    world.execute("CREATE TABLE effects (job text PRIMARY KEY)").await;
    let pool = world.pool().clone();
    let handler = does("effect", move |run| {
        let pool = pool.clone();
        async move {
            let mut client = pool.get().await.map_err(streamspace::Error::from)?;
            let transaction = client.transaction().await.map_err(streamspace::Error::from)?;
            let insert = "INSERT INTO effects (job) VALUES ($1)";
            transaction.execute(insert, &[&run.job().id]).await.map_err(streamspace::Error::from)?;
            tokio::task::yield_now().await;
            run.complete(&transaction, Value::Null).await?;
            transaction.commit().await.map_err(streamspace::Error::from)?;
            Ok(Done::Written)
        }
    });
    let count = 300_i64;
    for number in 0..count {
        world.enqueue("effect", &format!("target/{}", number % 40)).await;
    }
    let done = async || {
        let sql = "SELECT count(*) FROM jobs WHERE status NOT IN ('PENDING', 'RUNNING')";
        world.pool().get().await.unwrap().query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    let options = Options { lease: Duration::from_millis(600), renew_every: Duration::from_millis(100), ..quick() };
    let mut round = 0;
    while done().await < count {
        round += 1;
        let replicas = [
            world.replica(vec![handler.clone()], options.clone()),
            world.replica(vec![handler.clone()], options.clone()),
        ];
        let until_done = (done().await + 35).min(count);
        until("some more are done", async || (done().await >= until_done).then_some(())).await;
        drop(replicas);
    }
    assert!(round > 1, "workers vanished");
    let db = world.pool().get().await.unwrap();
    let succeeded: i64 =
        db.query_one("SELECT count(*) FROM jobs WHERE status = 'SUCCEEDED'", &[]).await.unwrap().get(0);
    let effects: i64 = db.query_one("SELECT count(*) FROM effects", &[]).await.unwrap().get(0);
    assert_eq!((succeeded, effects), (count, count));
}
