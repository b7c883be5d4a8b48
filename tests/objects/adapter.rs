//! What only the PostgreSQL adapter has to show: nothing is lost when connections or the server go.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, future::join_all, stream::BoxStream};
use kube::{core::Selector, runtime::watcher::Event};
use serde_json::json;
use streamspace::{
    crd::{Phase, Session, SessionStatus},
    objects::{Change, ObjectError, ObjectStore, PostgresStore, Precondition, Retention},
    telemetry::task,
};

use crate::{
    contract::{Subject, eventually, present, session, within},
    postgres::{Postgres, connect},
    promises::InPostgres,
};

fn name(session: &Session) -> &str {
    session.metadata.name.as_deref().unwrap()
}

fn number(session: &Session) -> u64 {
    session.metadata.resource_version.as_deref().unwrap().parse().unwrap()
}

fn anything() -> Precondition {
    Precondition::default()
}

async fn truth(store: &PostgresStore<Session>) -> BTreeMap<String, Session> {
    let list = store.list(&Selector::default()).await.unwrap();
    list.items.into_iter().map(|session| (name(&session).to_owned(), session)).collect()
}

/// Follows a watch until an object named `end`; how often it began, and what it came to.
async fn replicate(mut watch: BoxStream<'static, Event<Session>>) -> (usize, BTreeMap<String, Session>) {
    let (mut begins, mut replica, mut last) = (0, BTreeMap::new(), 0);
    loop {
        let (session, gone) = match watch.next().await.unwrap() {
            Event::Init => {
                begins += 1;
                replica.clear();
                continue;
            }
            Event::InitDone => continue,
            Event::InitApply(session) => {
                replica.insert(name(&session).to_owned(), session);
                continue;
            }
            Event::Apply(session) => (session, false),
            Event::Delete(session) => (session, true),
        };
        assert!(number(&session) > last, "{} after {last}", number(&session));
        last = number(&session);
        let ended = name(&session) == "end";
        if gone {
            replica.remove(name(&session));
        } else {
            replica.insert(name(&session).to_owned(), session);
        }
        if ended {
            return (begins, replica);
        }
    }
}

/// Writes `rounds` times, each write again until it comes through.
async fn write_stubbornly(store: &PostgresStore<Session>, writer: u32, rounds: u32) {
    let own = format!("writer-{writer}");
    for round in 0..rounds {
        let patch = json!({ "spec": { "displayName": format!("round {round}") } });
        eventually(async || match store.patch(&own, &patch, &anything()).await {
            Ok(_) => true,
            Err(ObjectError::NotFound { .. }) => {
                // Whether it came through shows in the next round.
                let _ = store.create(&session(&own)).await;
                false
            }
            Err(ObjectError::Unavailable(_)) => false,
            Err(error) => panic!("{error}"),
        })
        .await;
    }
}

/// Number of the last write, as soon as the database says it.
async fn latest(store: &PostgresStore<Session>) -> String {
    loop {
        if let Ok(list) = store.list(&Selector::default()).await {
            return list.resource_version;
        }
    }
}

/// Four writers at once, of which `disturb` is called three times in the midst; then all is compared with the truth.
async fn disturbed(subject: &InPostgres, disturb: impl AsyncFn()) {
    let replica = task::spawn("replica", replicate(subject.store.watch()));
    let writing = join_all((0..4).map(|writer| write_stubbornly(&subject.store, writer, 60)));
    let disturbing = async {
        for _ in 0..3 {
            let before = latest(&subject.store).await;
            eventually(async || latest(&subject.store).await != before).await;
            disturb().await;
        }
    };
    within(async { tokio::join!(writing, disturbing) }).await;
    subject.store.create(&session("end")).await.unwrap();
    let (begins, replica) = within(replica).await.unwrap().unwrap();
    assert_eq!(begins, 1, "what happened meanwhile is still kept, so the watch goes on where it was");
    assert_eq!(replica, truth(&subject.store).await);
}

#[tokio::test]
async fn a_watch_survives_the_loss_of_every_connection() {
    let subject = InPostgres::start().await;
    let admin = connect(&subject.database.connector).await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    disturbed(&subject, async || {
        assert!(admin.query_one(kill, &[]).await.unwrap().get::<_, i64>(0) > 0);
    })
    .await;
}

#[tokio::test]
async fn a_watch_survives_a_crash_of_the_database() {
    let server = Arc::new(Postgres::start());
    let subject = InPostgres::within(server.database("crashes").await, "streamspace");
    disturbed(&subject, async || {
        let server = Arc::clone(&server);
        let crash = tokio::task::spawn_blocking(move || {
            server.crash();
            server.recover();
        });
        crash.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_watch_that_missed_what_is_no_longer_kept_begins_again() {
    let subject = InPostgres::start().await;
    subject.store.create(&session("gone")).await.unwrap();
    let mut watch = subject.store.watch();
    for expected in ["Init", "InitApply(gone)", "InitDone"] {
        assert_eq!(watch.next().await.unwrap().to_string(), expected);
    }
    // More than a slow watcher may be behind in memory.
    within(join_all((0..8).map(|writer| write_stubbornly(&subject.store, writer, 150)))).await;
    subject.store.delete("gone", &anything()).await.unwrap();
    subject.sweep_all().await;
    let again = within(present(&mut watch)).await;
    let again: BTreeMap<String, Session> =
        again.into_iter().map(|session| (name(&session).to_owned(), session)).collect();
    assert_eq!(again, truth(&subject.store).await);
    let after = subject.store.create(&session("after")).await.unwrap();
    assert!(matches!(within(watch.next()).await, Some(Event::Apply(heard)) if heard == after));
}

#[tokio::test]
async fn what_nobody_announced_is_heard_all_the_same() {
    let subject = InPostgres::start().await;
    let made = subject.store.create(&session("a")).await.unwrap();
    let mut watch = subject.store.watch();
    present(&mut watch).await;
    let admin = connect(&subject.database.connector).await;
    let unannounced = "WITH counter AS (UPDATE object_counters SET revision = revision + 1 RETURNING *)
        INSERT INTO object_changes (namespace, kind, revision, deleted, object)
        SELECT namespace, kind, counter.revision, false, object FROM counter JOIN objects USING (namespace, kind)";
    assert_eq!(admin.execute(unannounced, &[]).await.unwrap(), 1);
    let heard = within(watch.next()).await;
    assert!(matches!(heard, Some(Event::Apply(heard)) if number(&heard) == number(&made) + 1));
}

#[tokio::test]
async fn a_leader_is_fenced_before_its_successor_has_written_anything() {
    let subject = InPostgres::start().await;
    let object = subject.store.create(&session("a")).await.unwrap();
    let running = SessionStatus { phase: Phase::Running, ..SessionStatus::default() };
    let object = Session { status: Some(running), ..object };
    let old = subject.new_leader().await;
    let new = subject.new_leader().await;
    assert!(matches!(subject.store.replace_status(&object, Some(old)).await, Err(ObjectError::Fenced(_))));
    assert!(subject.store.replace_status(&object, Some(new)).await.is_ok());
}

#[tokio::test]
async fn a_writer_that_hangs_stops_the_others_for_seconds_and_then_is_cut_off() {
    let subject = InPostgres::start().await;
    subject.store.create(&session("a")).await.unwrap();
    let patch = json!({ "spec": { "displayName": "x" } });
    let mut hanging = subject.database.pool.get().await.unwrap();
    let transaction = hanging.transaction().await.unwrap();
    transaction.execute("UPDATE object_counters SET revision = revision + 1", &[]).await.unwrap();
    let stopped = subject.store.patch("a", &patch, &anything()).await;
    assert!(matches!(stopped, Err(ObjectError::Unavailable(_))), "{stopped:?}");
    eventually(async || subject.store.patch("a", &patch, &anything()).await.is_ok()).await;
    assert!(transaction.commit().await.is_err(), "what the hanging writer did is undone");
}

#[tokio::test]
async fn namespaces_know_nothing_of_each_other() {
    let mut here = InPostgres::start().await;
    let there = here.open("elsewhere");
    here.store.create(&session("a")).await.unwrap();
    assert!(there.get("a").await.unwrap().is_none());
    let other = there.create(&session("a")).await.unwrap();
    assert_eq!((other.metadata.namespace.as_deref(), number(&other)), (Some("elsewhere"), 1));
    here.store.delete("a", &anything()).await.unwrap();
    assert_eq!(there.get("a").await.unwrap(), Some(other));
}

#[tokio::test]
async fn changes_are_kept_for_their_time_and_their_number() {
    let subject = InPostgres::start().await;
    let start = subject.store.list(&Selector::default()).await.unwrap().resource_version;
    for name in ["a", "b", "c"] {
        subject.store.create(&session(name)).await.unwrap();
    }
    let old = Retention { changes: 0, ..Retention::default() };
    let many = Retention { age: Duration::ZERO, ..Retention::default() };
    for retention in [old, many] {
        subject.store.sweep(retention).await.unwrap();
        assert!(subject.store.changes(&start).await.is_ok(), "{retention:?} keeps them");
    }
    subject.store.sweep(Retention { changes: 2, age: Duration::ZERO, ..Retention::default() }).await.unwrap();
    assert!(matches!(subject.store.changes(&start).await.map(drop), Err(ObjectError::Expired)));
    let mut changes = subject.store.changes("1").await.unwrap();
    assert!(matches!(changes.next().await, Some(Ok(Change::Applied(heard))) if name(&heard) == "b"));
}

#[tokio::test]
async fn any_text_that_json_can_hold_is_kept() {
    let subject = InPostgres::start().await;
    let mut wanted = session("a");
    wanted.spec.display_name = Some("\u{0}\u{1F600} ä € @ \\ \" ' \u{202E}".into());
    let made = subject.store.create(&wanted).await.unwrap();
    assert_eq!(made.spec.display_name, wanted.spec.display_name);
    assert_eq!(subject.store.get("a").await.unwrap(), Some(made));
}
