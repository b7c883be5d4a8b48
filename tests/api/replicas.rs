//! What one process ends has ended in every other one.

use std::time::{Duration, Instant};

use serde_json::json;
use streamspace::{
    Error,
    auth::{Presented, Role},
};

use crate::support::{
    app::TestApp,
    client::Client,
    people::{PASSWORD, Replica, until},
};

/// Within this time an account that is disabled is out everywhere.
const OUT_WITHIN: Duration = Duration::from_secs(5);

/// Somebody with every sort of credential.
struct Person {
    browser: Client,
    cookie: String,
    token: String,
    token_id: String,
    access: String,
}

impl Person {
    async fn new(app: &TestApp, name: &str) -> Self {
        app.person(name, &[Role::User]).await;
        let cookie = app.sign_in(name, PASSWORD).await.cookie().expect("a cookie");
        let browser = app.anyone().browser(&cookie);
        let token = browser.post("/api/v1/tokens", json!({ "name": "t" })).await.json();
        let grant = json!({ "username": name, "password": PASSWORD, "grant": "token" });
        let access = app.anyone().post("/api/v1/auth/login", grant).await.json();
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        Self {
            browser,
            cookie,
            token: text(&token["token"]),
            token_id: text(&token["id"]),
            access: text(&access["accessToken"]),
        }
    }

    /// Which of cookie, token and access token are good at `replica`.
    async fn good(&self, replica: &Replica) -> [bool; 3] {
        let shown = [Presented::Cookie(&self.cookie), Presented::Bearer(&self.token), Presented::Bearer(&self.access)];
        let mut good = [false; 3];
        for (good, shown) in good.iter_mut().zip(shown) {
            *good = match replica.identify(shown).await {
                Ok(_) => true,
                Err(Error::Unauthenticated) => false,
                Err(error) => panic!("{error:?}"),
            };
        }
        good
    }
}

/// Waits until nobody of whom `replica` knows needs the database any more: it hears of changes.
async fn hears(app: &TestApp, replica: &Replica) {
    let pid = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%streamspace_people%'";
    until("the replica listens", || async {
        let client = app.app.pool.get().await.expect("a connection");
        client.query_one(pid, &[]).await.expect("a row").get::<_, i64>(0) >= 1 && replica.hears()
    })
    .await;
}

#[actix_web::test]
async fn an_account_that_is_disabled_is_out_of_every_process_within_five_seconds() {
    let app = TestApp::start().await;
    let (admin, replica) = (app.administrator().await, app.replica().await);
    let (alice, bob) = (Person::new(&app, "alice").await, Person::new(&app, "bob").await);
    hears(&app, &replica).await;
    assert_eq!((alice.good(&replica).await, bob.good(&replica).await), ([true; 3], [true; 3]));
    let began = Instant::now();
    admin.patch("/api/v1/users/alice", json!({ "disabled": true })).await;
    until("she is out", || async { alice.good(&replica).await == [false; 3] }).await;
    assert!(began.elapsed() < OUT_WITHIN, "{:?}", began.elapsed());
    assert_eq!(bob.good(&replica).await, [true; 3]);
}

#[actix_web::test]
async fn signing_out_revoking_and_a_new_password_end_what_they_should_elsewhere() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let alice = Person::new(&app, "alice").await;
    let bob = Person::new(&app, "bob").await;
    hears(&app, &replica).await;
    assert_eq!((alice.good(&replica).await, bob.good(&replica).await), ([true; 3], [true; 3]));
    assert_eq!(alice.browser.delete(&format!("/api/v1/tokens/{}", alice.token_id)).await.status, 204);
    until("the token has ended", || async { alice.good(&replica).await == [true, false, true] }).await;
    assert_eq!(alice.browser.post("/api/v1/auth/logout", json!({})).await.status, 204);
    until("the cookie has ended", || async { alice.good(&replica).await == [false, false, true] }).await;
    let change = json!({ "current": PASSWORD, "new": "another long password" });
    assert_eq!(bob.browser.post("/api/v1/auth/password", change).await.status, 204);
    until("the access token has ended", || async { bob.good(&replica).await == [true, true, false] }).await;
}

#[actix_web::test]
async fn what_is_changed_by_hand_is_heard_of_too() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let alice = Person::new(&app, "alice").await;
    hears(&app, &replica).await;
    assert_eq!(alice.good(&replica).await, [true; 3]);
    let client = app.app.pool.get().await.expect("a connection");
    client.execute("UPDATE api_tokens SET revoked_at = now()", &[]).await.expect("revoked");
    until("the token has ended", || async { alice.good(&replica).await == [true, false, true] }).await;
    client.execute("DELETE FROM sign_ins", &[]).await.expect("removed");
    until("the cookie has ended", || async { alice.good(&replica).await == [false, false, true] }).await;
    client.execute("UPDATE users SET disabled = true", &[]).await.expect("disabled");
    until("all has ended", || async { alice.good(&replica).await == [false; 3] }).await;
}

#[actix_web::test]
async fn while_nothing_is_heard_the_database_is_asked_and_afterwards_everything_compared() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (alice, bob) = (Person::new(&app, "alice").await, Person::new(&app, "bob").await);
    hears(&app, &replica).await;
    assert_eq!((alice.good(&replica).await, bob.good(&replica).await), ([true; 3], [true; 3]));
    let mut changes = replica.changes();
    // The connections that listen are cut, and what happens in the same moment is announced to nobody.
    let client = app.app.pool.get().await.expect("a connection");
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
               AND pid <> pg_backend_pid() AND query IN ('SELECT 1', 'LISTEN streamspace_people')";
    let quiet = "ALTER TABLE users DISABLE TRIGGER USER";
    client
        .batch_execute(&format!("{quiet}; {cut}; UPDATE users SET disabled = true WHERE name = 'alice'"))
        .await
        .expect("cut");
    let began = Instant::now();
    until("she is out", || async { alice.good(&replica).await == [false; 3] }).await;
    assert!(began.elapsed() < OUT_WITHIN, "{:?}", began.elapsed());
    hears(&app, &replica).await;
    assert_eq!((alice.good(&replica).await, bob.good(&replica).await), ([false; 3], [true; 3]));
    let told = tokio::time::timeout(OUT_WITHIN, async { while changes.recv().await.expect("a change") != "alice" {} });
    assert!(told.await.is_ok(), "whoever keeps sockets of hers is told");
}

#[actix_web::test]
async fn whoever_keeps_something_open_for_a_person_is_told_of_changes() {
    let app = TestApp::start().await;
    let (admin, replica) = (app.administrator().await, app.replica().await);
    for name in ["alice", "bob"] {
        app.person(name, &[Role::User]).await;
    }
    hears(&app, &replica).await;
    let mut changes = replica.changes();
    admin.patch("/api/v1/users/alice", json!({ "displayName": "Alice" })).await;
    admin.patch("/api/v1/users/bob", json!({ "roles": ["operator"] })).await;
    let mut told = vec![tokio::time::timeout(OUT_WITHIN, changes.recv()).await.expect("in time").expect("a change")];
    // More than once does no harm: what is heard late is found by comparing, too.
    told.extend(std::iter::from_fn(|| changes.try_recv().ok()));
    assert!(told.iter().all(|name| name == "bob"), "a name that is shown is no reason to close sockets: {told:?}");
}
