//! Reads from memory: people read what they wrote, on whatever replica.

use std::sync::Arc;

use serde_json::json;
use streamspace::{
    crd::Session,
    objects::{Cached, ObjectStore, Precondition},
};

use crate::{
    contract::{Subject, eventually, session, within},
    postgres::Postgres,
    promises::InPostgres,
};

fn of(name: &str, user: &str) -> Session {
    let mut session = session(name);
    session.spec.user = user.into();
    session
}

fn names(sessions: &[Arc<Session>]) -> Vec<&str> {
    sessions.iter().map(|session| session.metadata.name.as_deref().unwrap()).collect()
}

async fn cached(subject: &mut InPostgres) -> Cached<Session> {
    let cached = Cached::start(subject.store(), &mut subject.tasks);
    eventually(async || cached.in_step()).await;
    cached
}

#[tokio::test]
async fn a_write_is_in_memory_when_it_returns() {
    let mut subject = InPostgres::start().await;
    let cached = cached(&mut subject).await;
    for round in 0..20 {
        let name = format!("session-{round}");
        let made = cached.create(&session(&name)).await.unwrap();
        assert_eq!(cached.peek(&name), Some(Arc::clone(&made)));
        let patch = json!({ "spec": { "tags": ["x"] } });
        let patched = cached.patch(&name, &patch, &Precondition::default()).await.unwrap();
        assert_eq!(cached.peek(&name), Some(patched));
        assert!(cached.delete(&name, &Precondition::default()).await.unwrap().is_none());
        assert_eq!(cached.peek(&name), None);
    }
}

#[tokio::test]
async fn another_replica_waits_for_the_write_that_a_client_has_seen() {
    let mut subject = InPostgres::start().await;
    let here = cached(&mut subject).await;
    let there = Cached::start(Arc::new(subject.open("streamspace")), &mut subject.tasks);
    eventually(async || there.in_step()).await;
    for round in 0..20 {
        here.create(&session(&format!("session-{round}"))).await.unwrap();
        assert!(there.wait_for(&here.revision()).await);
        assert_eq!(there.snapshot(None).len(), round + 1);
    }
    here.delete("session-0", &Precondition::default()).await.unwrap();
    assert!(there.wait_for(&here.revision()).await);
    assert_eq!(there.peek("session-0"), None);
}

#[tokio::test]
async fn a_replica_that_starts_after_a_removal_has_seen_it() {
    let mut subject = InPostgres::start().await;
    let here = cached(&mut subject).await;
    here.create(&session("a")).await.unwrap();
    here.delete("a", &Precondition::default()).await.unwrap();
    let seen = here.revision();
    let later = cached(&mut subject).await;
    assert!(later.wait_for(&seen).await, "although no object carries that number any more");
    assert!(!later.wait_for("1000000").await, "a number that was never given is waited for in vain");
    assert!(later.wait_for("nonsense").await);
}

#[tokio::test]
async fn what_memory_lacks_is_asked_of_the_truth() {
    let mut subject = InPostgres::start().await;
    subject.store.create(&session("a")).await.unwrap();
    // Nothing polls its tasks before the first await, so memory is empty.
    let cached = Cached::start(subject.store(), &mut subject.tasks);
    assert_eq!(cached.peek("a"), None);
    assert!(cached.get("a").await.unwrap().is_some());
    assert!(cached.get("b").await.unwrap().is_none());
}

#[tokio::test]
async fn pages_follow_the_order_of_owner_creation_and_name() {
    let mut subject = InPostgres::start().await;
    let cached = cached(&mut subject).await;
    for (name, user) in [("c", "bob"), ("b", "alice"), ("a", "alice"), ("d", "carol")] {
        cached.create(&of(name, user)).await.unwrap();
    }
    let page = cached.page(None, 1, 2);
    assert_eq!(page.total, 4);
    assert_eq!(page.items.len(), 2);
    assert_eq!(names(&cached.snapshot(Some("bob"))), ["c"]);
    let owners: Vec<String> = cached.snapshot(None).iter().map(|session| session.spec.user.clone()).collect();
    assert_eq!(owners, ["alice", "alice", "bob", "carol"]);
    assert_eq!(cached.page(Some("alice"), 0, 10).total, 2);
    assert_eq!(cached.phases(Some("alice")).get("Pending"), Some(&2));
    assert!(cached.page(Some("nobody"), 0, 10).items.is_empty());
}

#[tokio::test]
async fn memory_says_when_it_is_out_of_step_and_catches_up() {
    let server = Postgres::start();
    let mut subject = InPostgres::within(server.database("memory").await, "streamspace");
    let cached = cached(&mut subject).await;
    cached.create(&session("a")).await.unwrap();
    server.crash();
    within(eventually(async || !cached.in_step())).await;
    assert!(cached.peek("a").is_some(), "what is known is still served");
    server.recover();
    eventually(async || subject.store.create(&session("b")).await.is_ok()).await;
    eventually(async || cached.in_step() && cached.peek("b").is_some()).await;
}
