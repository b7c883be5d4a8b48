//! Secrets at rest, with the whole server around them.

use serde_json::json;
use streamspace::{
    auth::{Auth, Role},
    services::secrets,
};

use crate::support::app::TestApp;

const OLD: &str = "0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210";

fn keys(keys: &str) -> String {
    format!("--secret-key={keys}")
}

async fn sealed(app: &TestApp) -> Vec<u8> {
    let client = app.app.pool.get().await.expect("a connection");
    client.query_one("SELECT private_key FROM signing_keys WHERE retired_at IS NULL", &[]).await.expect("a key").get(0)
}

#[actix_web::test]
async fn the_key_is_changed_without_signing_anyone_out() {
    let app = TestApp::with(&[&keys(OLD)]).await;
    let alice = app.person("alice", &[Role::User]).await;
    let token =
        alice.post("/api/v1/tokens", json!({ "name": "t" })).await.json()["token"].as_str().expect("t").to_owned();
    let before = sealed(&app).await;

    let app = app.restarted(&[&keys(&format!("{NEW},{OLD}"))]).await;
    assert_eq!(secrets::rekey(&app.app.auth).await.expect("sealed anew"), 1);
    assert_eq!(secrets::rekey(&app.app.auth).await.expect("nothing to do"), 0);
    assert_ne!(sealed(&app).await, before);

    let app = app.restarted(&[&keys(NEW)]).await;
    assert_eq!(app.anyone().bearer(&token).get("/api/v1/users/me").await.status, 200);
    let again = app.anyone().bearer(&token).post("/api/v1/auth/logout", json!({})).await;
    assert_eq!(again.status, 403, "it signs and verifies as before");
}

#[actix_web::test]
async fn with_another_key_the_server_does_not_start_and_says_which_is_missing() {
    let app = TestApp::with(&[&keys(OLD)]).await;
    let start = |text: &str| {
        let mut config = app.app.config.clone();
        config.people.secret_key = Some(text.to_owned().into());
        let (pool, clock) = (app.app.pool.clone(), app.clock.clone());
        async move { Auth::start(&config, std::path::Path::new("/nowhere"), pool, clock).await }
    };
    let error = start(NEW).await.expect_err("it does not start").to_string();
    assert!(error.contains("another SECRET_KEY"), "{error}");
    assert!(start(&format!("{NEW},{OLD}")).await.is_ok());
}

#[actix_web::test]
async fn what_none_of_the_keys_opens_stops_the_change_before_it_begins() {
    let app = TestApp::with(&[&keys(OLD)]).await;
    let before = sealed(&app).await;
    let mut config = app.app.config.clone();
    config.people.secret_key = Some(format!("{NEW},{OLD}").into());
    let start = Auth::start(&config, std::path::Path::new("/nowhere"), app.app.pool.clone(), app.clock.clone());
    let auth = start.await.expect("it starts");
    let client = app.app.pool.get().await.expect("a connection");
    let broken = "INSERT INTO signing_keys (kid, algorithm, public_key, private_key, created_at) \
                  VALUES ('broken', 'EdDSA', '\\x00', '\\x0100', now() - interval '1 h')";
    client.execute(broken, &[]).await.expect("a broken one");
    assert!(secrets::rekey(&auth).await.is_err());
    assert_eq!(sealed_of(&app, before.clone()).await, 1, "nothing was half done");
    client.execute("DELETE FROM signing_keys WHERE kid = 'broken'", &[]).await.expect("gone");
    assert_eq!(secrets::rekey(&auth).await.expect("sealed anew"), 1);
    assert_eq!(sealed_of(&app, before).await, 0);
}

async fn sealed_of(app: &TestApp, value: Vec<u8>) -> i64 {
    let client = app.app.pool.get().await.expect("a connection");
    let count = "SELECT count(*) FROM signing_keys WHERE private_key = $1";
    client.query_one(count, &[&value]).await.expect("a row").get(0)
}
