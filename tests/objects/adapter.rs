//! What only the PostgreSQL adapter has to show.

use futures::StreamExt;
use kube::runtime::watcher::Event;
use serde_json::json;
use streamspace::{
    clock::SystemClock,
    crd::{Session, SessionSpec},
    objects::{ObjectStore, PostgresStore, Precondition},
    store::Listener,
    telemetry::task::Tasks,
};
use tokio_util::sync::CancellationToken;

use crate::postgres::TestDatabase;

#[tokio::test]
async fn a_watch_tells_of_the_present_and_then_of_each_change() {
    let database = TestDatabase::create().await;
    let mut tasks = Tasks::new(CancellationToken::new());
    let listener = Listener::start(database.connector.clone(), &mut tasks);
    let clock = SystemClock::shared();
    let store = PostgresStore::<Session>::start(database.pool.clone(), &listener, "here", clock, &mut tasks);
    let spec = SessionSpec { user: "alice".into(), template: "terminal".into(), ..SessionSpec::default() };
    store.create(&Session::new("a", spec)).await.unwrap();

    let mut watch = store.watch();
    assert!(matches!(watch.next().await, Some(Event::Init)));
    assert!(matches!(watch.next().await, Some(Event::InitApply(found)) if found.metadata.name.as_deref() == Some("a")));
    assert!(matches!(watch.next().await, Some(Event::InitDone)));
    let patch = json!({ "spec": { "displayName": "mine" } });
    store.patch("a", &patch, &Precondition::default()).await.unwrap();
    assert!(
        matches!(watch.next().await, Some(Event::Apply(found)) if found.spec.display_name.as_deref() == Some("mine"))
    );
    assert!(store.delete("a", &Precondition::default()).await.unwrap().is_none());
    assert!(matches!(watch.next().await, Some(Event::Delete(_))));
}
