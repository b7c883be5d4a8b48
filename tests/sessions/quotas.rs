//! Limits hold for whatever comes: through the API of either of two servers, or as an object that nobody asked for.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};
use streamspace::{
    clock::SystemClock,
    crd::{Session, SessionSpec},
    objects::{ObjectStore, postgres::PostgresStore},
    store::Listener,
    telemetry::task::Tasks,
};
use tokio_util::sync::CancellationToken;

use crate::{
    postgres::Postgres,
    server::{Server, until},
};

/// Whose sessions they are where nobody signs in.
const OWNER: &str = "admin";

async fn limit(server: &Server, sessions: usize) {
    let answer = server.call("PUT", "/api/v1/quotas/default", Some(json!({ "sessions": sessions }))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn admitted(session: &Value) -> Value {
    let conditions = session["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == "Admitted").unwrap_or_default()
}

/// Of the sessions that were made by hand, how many run, and how many wait for a limit.
async fn by_hand(server: &Server) -> (usize, usize) {
    let list = server.call("GET", "/api/v1/sessions?search=by-hand", None).await.body;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let phase = |phase: &'static str| items.iter().filter(move |session| session["status"]["phase"] == phase);
    let waits = phase("Pending").filter(|session| admitted(session)["reason"] == "QuotaExceeded");
    (phase("Running").count(), waits.count())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_slot_goes_to_one_whether_servers_are_asked_or_objects_are_made() {
    let postgres = Postgres::start();
    let database = postgres.database("streamspace").await;
    let folder = postgres.folder().display().to_string();
    let settings = [
        ("DB_HOST", folder.as_str()),
        ("DB_USER", "postgres"),
        ("DB_NAME", "streamspace"),
        ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
    ];
    let one = Server::start_with("quota-one", &settings).await;
    let other = Server::start_with("quota-other", &settings).await;
    one.counter_template("quota").await;
    until("the other server knows the template", async || {
        let answer = other.call("GET", "/api/v1/templates/counter", None).await;
        (answer.status == 200).then_some(())
    })
    .await;
    limit(&one, 1).await;
    let asked = (0..20).map(|number| {
        let server = if number % 2 == 0 { &one } else { &other };
        server.call("POST", "/api/v1/sessions", Some(json!({ "template": "counter" })))
    });
    let answers = join_all(asked).await;
    let made: Vec<&Value> =
        answers.iter().filter(|answer| answer.status == 201).map(|answer| &answer.body["metadata"]["name"]).collect();
    let refused = answers.iter().filter(|answer| answer.body["code"] == "quota-exceeded").count();
    assert_eq!((made.len(), refused), (1, 19), "{answers:?}");
    let first = made[0].as_str().expect("a name").to_owned();
    one.reaches(&first, "Running").await;

    // Objects that nobody asked for, as kubectl makes them in a cluster.
    let mut tasks = Tasks::new(CancellationToken::new());
    let listener = Listener::start(database.connector.clone(), &mut tasks);
    let clock = SystemClock::shared();
    let objects: PostgresStore<Session> =
        PostgresStore::start(database.pool.clone(), &listener, "streamspace", clock, &mut tasks);
    let objects: Arc<dyn ObjectStore<Session>> = Arc::new(objects);
    for number in 0..3 {
        let spec = SessionSpec { user: OWNER.into(), template: "counter".into(), ..SessionSpec::default() };
        let mut session = Session::new(&format!("by-hand-{number}"), spec);
        session.metadata.namespace = Some("streamspace".into());
        objects.create(&session).await.expect("an object");
    }
    until("all of them wait", async || (by_hand(&other).await == (0, 3)).then_some(())).await;
    let waiting = one.get("by-hand-0").await;
    let message = admitted(&waiting)["message"].as_str().expect("a message").to_owned();
    assert_eq!(
        message,
        format!("The number of sessions of {OWNER} is limited to 1: 1 in use ({first}), 1 more asked for.")
    );
    assert_eq!(waiting["status"]["doctor"]["reason"], "QuotaExceeded");

    assert!(one.call("DELETE", &format!("/api/v1/sessions/{first}"), None).await.status < 300);
    until("one takes its place", async || (by_hand(&other).await == (1, 2)).then_some(())).await;
    limit(&other, 3).await;
    until("there is room for all", async || (by_hand(&other).await == (3, 0)).then_some(())).await;
    let one_more = one.call("POST", "/api/v1/sessions", Some(json!({ "template": "counter" }))).await;
    assert_eq!(one_more.body["code"], "quota-exceeded", "what was made by hand counts: {one_more:?}");
    one.delete_all().await;
    let used = one.call("GET", "/api/v1/users/me/quota", None).await.body;
    assert_eq!(used["used"]["sessions"], 0, "{used:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_goes_to_sleep_when_a_budget_is_spent_and_wakes_when_there_is_more() {
    let server = Server::start_with("budget", &[("BUDGET_GRACE", "1s")]).await;
    server.counter_template("budget").await;
    let name = server.session(json!({ "template": "counter" })).await;
    server.reaches(&name, "Running").await;
    // Of a core that is 3.6 s.
    let budget = |hours: f64| server.call("PUT", "/api/v1/quotas/default", Some(json!({ "cpuHours": hours })));
    assert_eq!(budget(0.001).await.status, 200);
    let asleep = server.reaches(&name, "Hibernated").await;
    let because = &asleep["metadata"]["annotations"]["stream.streamspace.io/stopped-because"];
    assert_eq!(because, "BudgetSpent", "{asleep:#}");
    let wake = async || {
        let answer =
            server.call("PATCH", &format!("/api/v1/sessions/{name}"), Some(json!({ "state": "running" }))).await;
        (answer.status, answer.body["code"].clone())
    };
    assert_eq!(wake().await, (403, json!("budget-spent")));
    assert_eq!(budget(1000.0).await.status, 200);
    assert_eq!(wake().await.0, 200);
    server.reaches(&name, "Running").await;
    // Each change is looked at by the controller, which noted half a minute ago that nothing was left.
    let path = format!("/api/v1/sessions/{name}");
    let changed = server.call("PATCH", &path, Some(json!({ "idleTimeout": "2h" }))).await;
    let generation = changed.body["metadata"]["generation"].as_i64().expect("a generation");
    let looked_at = until("looked at again", async || {
        let session = server.get(&name).await;
        (session["status"]["observedGeneration"].as_i64() >= Some(generation)).then_some(session)
    })
    .await;
    assert_eq!(looked_at["status"]["phase"], "Running", "{looked_at:#}");
    server.delete_all().await;
}
