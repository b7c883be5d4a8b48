//! Personal API tokens.

use jiff::SignedDuration;
use serde_json::{Value, json};
use streamspace::auth::Role;

use crate::support::{app::TestApp, client::Client, people::until};

const TOKENS: &str = "/api/v1/tokens";
const ME: &str = "/api/v1/users/me";

/// A token of `client`'s, with its id and a client that shows it.
async fn token(app: &TestApp, client: &Client, body: Value) -> (String, Client) {
    let made = client.post(TOKENS, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    (made["id"].as_str().expect("an id").to_owned(), app.anyone().bearer(made["token"].as_str().expect("a token")))
}

#[actix_web::test]
async fn a_token_is_shown_once_and_acts_for_its_owner() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::Operator]).await;
    let made = alice.post(TOKENS, json!({ "name": "deploy", "expiresIn": "48h" })).await;
    assert_eq!((made.status, made.header("cache-control")), (201, "no-store"));
    let program = app.anyone().bearer(made.json()["token"].as_str().expect("a token"));
    let me = program.get(ME).await.json();
    assert_eq!((&me["name"], &me["roles"]), (&json!("alice"), &json!(["operator"])));
    let list = alice.get(TOKENS).await.json();
    let shown = &list["items"][0];
    assert_eq!((&shown["name"], &shown["scopes"], &shown["token"]), (&json!("deploy"), &Value::Null, &Value::Null));
    assert_eq!(list["total"], json!(1));
}

#[actix_web::test]
async fn a_token_ends_when_it_says() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let (_, program) = token(&app, &alice, json!({ "name": "short", "expiresIn": "90m" })).await;
    app.clock.advance(SignedDuration::from_mins(89));
    assert_eq!(program.get(ME).await.status, 200);
    app.clock.advance(SignedDuration::from_mins(2));
    assert_eq!(program.get(ME).await.status, 401);
}

#[actix_web::test]
async fn a_token_that_is_revoked_has_ended_and_others_go_on() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let (id, program) = token(&app, &alice, json!({ "name": "one" })).await;
    let (_, other) = token(&app, &alice, json!({ "name": "two" })).await;
    assert_eq!(program.get(ME).await.status, 200);
    assert_eq!(alice.delete(&format!("{TOKENS}/{id}")).await.status, 204);
    assert_eq!(program.get(ME).await.status, 401);
    assert_eq!(other.get(ME).await.status, 200);
    assert_eq!(alice.get(TOKENS).await.json()["total"], json!(1));
    assert_eq!(alice.delete(&format!("{TOKENS}/{id}")).await.status, 404);
}

#[actix_web::test]
async fn a_scope_narrows_what_the_roles_give_and_never_widens_it() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::Operator]).await;
    let (_, reader) = token(&app, &alice, json!({ "name": "r", "scopes": ["users:read", "users:write"] })).await;
    assert_eq!(reader.get("/api/v1/users").await.status, 200);
    let me = reader.get(ME).await;
    assert_eq!(me.status, 403);
    assert!(me.json()["detail"].as_str().expect("text").contains("this token is not for self:manage"), "{me:?}");
    let create = reader.post("/api/v1/users", json!({ "name": "mallory" })).await;
    assert_eq!(create.status, 403, "an operator may not, whatever the token says");
    let (_, narrow) = token(&app, &alice, json!({ "name": "me", "scopes": ["self:manage"] })).await;
    assert_eq!(narrow.get(ME).await.json()["permissions"], json!(["self:manage"]));
    assert_eq!(narrow.get("/api/v1/users").await.status, 403);
}

#[actix_web::test]
async fn whoever_finds_a_token_cannot_make_more_of_it() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let (_, found) = token(&app, &alice, json!({ "name": "found" })).await;
    assert_eq!(found.post(TOKENS, json!({ "name": "more" })).await.status, 403);
    let password = json!({ "new": "another long password" });
    assert_eq!(found.post("/api/v1/auth/password", password.clone()).await.status, 403);
    assert_eq!(alice.post(TOKENS, json!({ "name": "more" })).await.status, 201);
    assert_eq!(alice.post("/api/v1/auth/password", password).await.status, 204);
}

#[actix_web::test]
async fn tokens_of_others_are_not_there() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let alice = app.person("alice", &[Role::User]).await;
    let (id, program) = token(&app, &alice, json!({ "name": "mine" })).await;
    let path = format!("{TOKENS}/{id}");
    for stranger in [app.person("bob", &[Role::User]).await, admin] {
        assert_eq!(stranger.get(TOKENS).await.json()["total"], json!(0));
        assert_eq!(stranger.delete(&path).await.status, 404);
    }
    assert_eq!(program.get(ME).await.status, 200);
    for nonsense in ["x", "%00", "00000000-0000-0000-0000-000000000000"] {
        assert_eq!(alice.delete(&format!("{TOKENS}/{nonsense}")).await.status, 404, "{nonsense}");
    }
}

#[actix_web::test]
async fn what_a_token_cannot_be_is_named() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let field = |answer: &crate::support::client::Answer| answer.json()["errors"][0]["field"].clone();
    for (body, name) in [
        (json!({ "name": " " }), "name"),
        (json!({ "name": "x".repeat(129) }), "name"),
        (json!({ "name": "a\u{0}b" }), "name"),
        (json!({ "name": "t", "scopes": [] }), "scopes"),
        (json!({ "name": "t", "scopes": ["everything"] }), "scopes[0]"),
        (json!({ "name": "t", "expiresIn": "30s" }), "expiresIn"),
        (json!({ "name": "t", "expiresIn": "8785h" }), "expiresIn"),
        (json!({ "name": "t", "expiresIn": "forever" }), "expiresIn"),
        (json!({ "name": "t", "expires": "1h" }), "expires"),
    ] {
        let answer = alice.post(TOKENS, body.clone()).await;
        assert_eq!((answer.status, field(&answer)), (400, json!(name)), "{body}");
    }
    assert_eq!(alice.post(TOKENS, json!({ "name": "t", "expiresIn": "8784h" })).await.status, 201);
}

#[actix_web::test]
async fn the_last_use_of_a_token_is_shown() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let (_, program) = token(&app, &alice, json!({ "name": "t" })).await;
    assert_eq!(alice.get(TOKENS).await.json()["items"][0]["lastUsedAt"], Value::Null);
    assert_eq!(program.get(ME).await.status, 200);
    app.clock.advance(SignedDuration::from_secs(70));
    until("the use is written down", || async { alice.get(TOKENS).await.json()["items"][0]["lastUsedAt"].is_string() })
        .await;
}
