//! A request with an `Idempotency-Key` has its effect once.

use futures::future::join_all;
use jiff::SignedDuration;
use streamspace::{
    Error,
    services::idempotency::{Begun, Kept, KeyOf, Keys},
};

use crate::support::app::TestApp;

const REQUEST: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];

fn key(name: &str) -> KeyOf {
    KeyOf { caller: "alice".into(), key: name.into() }
}

fn created() -> Kept {
    Kept { status: 201, headers: vec![("location".into(), "/x".into())], body: b"{}".to_vec() }
}

/// The keys of a new process on the database of `app`.
fn process(app: &TestApp, alone: bool) -> Keys {
    Keys::new(app.app.pool.clone(), app.app.clock.clone(), alone)
}

/// Executes a request up to its answer.
async fn execute(keys: &Keys, name: &str, answer: Kept) {
    match keys.begin(key(name), REQUEST).await {
        Ok(Begun::Execute(running)) => running.finish(&answer).await.expect("the answer is kept"),
        other => panic!("{other:?}"),
    }
}

#[actix_web::test]
async fn of_many_at_once_one_is_executed_and_the_others_are_told_to_wait() {
    let app = TestApp::start().await;
    // Two processes, so that the database decides and not a lock in memory.
    let processes = [process(&app, false), process(&app, false)];
    let begun = join_all((0..20).map(|number| processes[number % 2].begin(key("k"), REQUEST))).await;
    let executed = begun.iter().filter(|begun| matches!(begun, Ok(Begun::Execute(_)))).count();
    let waiting = begun.iter().filter(|begun| matches!(begun, Err(Error::KeyInFlight))).count();
    assert_eq!((executed, waiting), (1, 19));
}

#[actix_web::test]
async fn the_first_answer_is_told_again_for_a_day_and_to_nobody_else() {
    let app = TestApp::start().await;
    let keys = process(&app, true);
    execute(&keys, "k", created()).await;
    let again = || keys.begin(key("k"), REQUEST);
    assert!(matches!(again().await, Ok(Begun::Replay(kept)) if kept == created()));
    assert!(matches!(keys.begin(key("k"), OTHER).await, Err(Error::KeyReused)));
    let bob = KeyOf { caller: "bob".into(), key: "k".into() };
    assert!(matches!(keys.begin(bob, REQUEST).await, Ok(Begun::Execute(_))));
    app.clock.advance(SignedDuration::from_hours(23));
    assert!(matches!(again().await, Ok(Begun::Replay(_))));
    app.clock.advance(SignedDuration::from_hours(2));
    assert!(matches!(again().await, Ok(Begun::Execute(_))));
}

#[actix_web::test]
async fn an_answer_that_says_not_now_is_not_kept() {
    let app = TestApp::start().await;
    let keys = process(&app, true);
    for status in [409, 429, 500, 503] {
        execute(&keys, "k", Kept { status, ..created() }).await;
    }
    execute(&keys, "k", Kept { status: 404, ..created() }).await;
    assert!(matches!(keys.begin(key("k"), REQUEST).await, Ok(Begun::Replay(Kept { status: 404, .. }))));
}

#[actix_web::test]
async fn what_a_dead_process_left_under_way_is_executed_again() {
    let app = TestApp::start().await;
    let (dead, other) = (process(&app, false), process(&app, false));
    let left = dead.begin(key("k"), REQUEST).await.expect("it begins");
    // Other processes may live where several serve one database: they wait until it must be dead.
    assert!(matches!(other.begin(key("k"), REQUEST).await, Err(Error::KeyInFlight)));
    let client = app.app.pool.get().await.expect("a connection");
    client.execute("UPDATE idempotency_keys SET started_at = started_at - interval '16 s'", &[]).await.expect("aged");
    let Ok(Begun::Execute(taken_up)) = other.begin(key("k"), REQUEST).await else { panic!("it is taken up") };
    // Where no other process can live nobody has to wait.
    assert!(matches!(process(&app, true).begin(key("k"), REQUEST).await, Ok(Begun::Execute(_))));
    assert!(matches!(process(&app, true).begin(key("k"), OTHER).await, Err(Error::KeyReused)));
    // An attempt that was replaced writes nothing any more.
    taken_up.finish(&Kept { status: 418, ..created() }).await.expect("no harm");
    drop(left);
    assert!(matches!(process(&app, true).begin(key("k"), REQUEST).await, Ok(Begun::Execute(_))));
}

#[actix_web::test]
async fn a_request_that_was_given_up_is_executed_again_by_the_same_process() {
    let app = TestApp::start().await;
    let keys = process(&app, false);
    let given_up = keys.begin(key("k"), REQUEST).await.expect("it begins");
    assert!(matches!(keys.begin(key("k"), REQUEST).await, Err(Error::KeyInFlight)));
    drop(given_up);
    assert!(matches!(keys.begin(key("k"), REQUEST).await, Ok(Begun::Execute(_))));
}

#[actix_web::test]
async fn expired_keys_are_removed_and_others_kept() {
    let app = TestApp::start().await;
    let keys = process(&app, true);
    execute(&keys, "old", created()).await;
    app.clock.advance(SignedDuration::from_hours(25));
    execute(&keys, "new", created()).await;
    assert_eq!(keys.sweep_once().await.expect("swept"), 1);
    assert!(matches!(keys.begin(key("new"), REQUEST).await, Ok(Begun::Replay(_))));
}
