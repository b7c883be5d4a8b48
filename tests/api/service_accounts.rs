//! Accounts of programs, and the tokens that let them in.

use serde_json::{Value, json};
use streamspace::auth::Role;

use crate::support::{
    app::TestApp,
    client::Client,
    idp::{Idp, problem},
    people::PASSWORD,
};

const ACCOUNTS: &str = "/api/v1/service-accounts";
const TOKENS: &str = "/api/v1/service-accounts/ci/tokens";
const ME: &str = "/api/v1/users/me";

/// Makes the account `ci`, with a role.
async fn ci(admin: &Client, role: &str) {
    let made = admin.post(ACCOUNTS, json!({ "name": "ci", "displayName": "Builds", "roles": [role] })).await;
    assert_eq!((made.status, made.header("location")), (201, "/api/v1/users/ci"), "{made:?}");
    assert_eq!((&made.json()["kind"], made.json().get("signInLink")), (&json!("service"), None));
}

/// A token of `ci` for `scopes`: its id, and a program that shows it.
async fn token(app: &TestApp, admin: &Client, scopes: &[&str]) -> (String, Client) {
    let made = admin.post(TOKENS, json!({ "name": "builds", "scopes": scopes })).await;
    assert_eq!((made.status, made.header("cache-control")), (201, "no-store"), "{made:?}");
    let made = made.json();
    (made["id"].as_str().expect("an id").to_owned(), app.anyone().bearer(made["token"].as_str().expect("a token")))
}

#[actix_web::test]
async fn a_program_may_what_both_its_roles_and_its_tokens_scopes_say() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    ci(&admin, "operator").await;
    let (_, program) = token(&app, &admin, &["sessions:read", "self:manage", "users:write"]).await;
    let me = program.get(ME).await.json();
    assert_eq!((&me["name"], &me["permissions"]), (&json!("ci"), &json!(["sessions:read", "self:manage"])));
    assert_eq!(program.get("/api/v1/sessions").await.status, 200);
    assert_eq!(program.get("/api/v1/users").await.status, 403, "its role would let it, its token does not");
    assert_eq!(
        program.post("/api/v1/users", json!({ "name": "x" })).await.status,
        403,
        "its token would, its role not"
    );
    assert_eq!(program.post("/api/v1/tokens", json!({ "name": "more" })).await.status, 403);
}

#[actix_web::test]
async fn a_token_of_a_program_names_what_it_is_for_and_is_made_by_nobody_who_is_a_token() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    ci(&admin, "admin").await;
    let without = admin.post(TOKENS, json!({ "name": "all" })).await;
    assert_eq!((without.status, &without.json()["errors"][0]["field"]), (400, &json!("scopes")));
    let (_, program) = token(&app, &admin, &["users:write", "users:read"]).await;
    let body = json!({ "name": "more", "scopes": ["users:read"] });
    assert_eq!(program.get(TOKENS).await.status, 200, "the control: it is let in");
    assert_eq!(program.post(TOKENS, body.clone()).await.status, 403);
    assert_eq!(admin.post(TOKENS, body).await.status, 201);
}

#[actix_web::test]
async fn a_revoked_token_and_a_disabled_account_let_no_program_in() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    ci(&admin, "user").await;
    let (id, one) = token(&app, &admin, &["self:manage"]).await;
    let (_, other) = token(&app, &admin, &["self:manage"]).await;
    assert_eq!(one.get(ME).await.status, 200);
    assert_eq!(admin.delete(&format!("{TOKENS}/{id}")).await.status, 204);
    assert_eq!((one.get(ME).await.status, other.get(ME).await.status), (401, 200));
    assert_eq!(admin.get(TOKENS).await.json()["total"], json!(1));
    assert_eq!(admin.delete(&format!("{TOKENS}/{id}")).await.status, 404);
    assert_eq!(admin.patch("/api/v1/users/ci", json!({ "disabled": true })).await.status, 200);
    assert_eq!(other.get(ME).await.status, 401);
    let body = json!({ "name": "t", "scopes": ["self:manage"] });
    assert_eq!(admin.post(TOKENS, body).await.code(), "conflict");
}

#[actix_web::test]
async fn nobody_signs_in_as_a_program() {
    let idp = Idp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    ci(&admin, "user").await;
    assert_eq!(admin.post("/api/v1/users/ci/sign-in-link", json!({})).await.code(), "conflict");
    assert_eq!(app.sign_in("ci", PASSWORD).await.status, 401);
    for (name, subject, expected) in [("ci", "robot", "disabled"), ("alice", "alice", "")] {
        if name != "ci" {
            app.person(name, &[Role::User]).await;
        }
        let identity = json!({ "issuer": idp.issuer(), "subject": subject });
        assert_eq!(admin.post(&format!("/api/v1/users/{name}/identities"), identity).await.status, 201);
        assert_eq!(problem(&idp.sign_in(&app, subject, &json!({})).await), expected, "{name}");
    }
}

#[actix_web::test]
async fn programs_are_listed_apart_and_people_are_none() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    ci(&admin, "user").await;
    app.person("alice", &[Role::User]).await;
    let names = |list: Value| list["items"].as_array().expect("items").iter().map(|it| it["name"].clone()).collect();
    let listed: Vec<Value> = names(admin.get(ACCOUNTS).await.json());
    assert_eq!(listed, [json!("ci")]);
    let all: Vec<Value> = names(admin.get("/api/v1/users").await.json());
    assert_eq!(all, [json!("admin"), json!("alice"), json!("ci")]);
    let tokens = "/api/v1/service-accounts/alice/tokens";
    let body = json!({ "name": "hers", "scopes": ["self:manage"] });
    assert_eq!((admin.get(tokens).await.status, admin.post(tokens, body).await.status), (404, 404));
}

#[actix_web::test]
async fn a_program_does_not_count_as_an_administrator_who_is_left() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    ci(&admin, "admin").await;
    let last = json!({ "roles": ["user"] });
    assert_eq!(admin.patch("/api/v1/users/admin", last.clone()).await.code(), "conflict");
    app.person("another", &[Role::Admin]).await;
    assert_eq!(admin.patch("/api/v1/users/admin", last).await.status, 200, "the control");
}

#[actix_web::test]
async fn what_is_done_with_a_programs_tokens_is_in_the_audit_and_their_secrets_are_not() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    ci(&admin, "user").await;
    let made = admin.post(TOKENS, json!({ "name": "builds", "scopes": ["sessions:read"] })).await.json();
    let id = made["id"].as_str().expect("an id");
    admin.delete(&format!("{TOKENS}/{id}")).await;
    let entries = admin.get("/api/v1/audit?sort=time&search=token").await.json();
    let told: Vec<(&Value, &Value)> = entries["items"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| {
            (
                &entry["action"],
                if entry["after"].is_null() { &entry["before"]["user"] } else { &entry["after"]["user"] },
            )
        })
        .collect();
    assert_eq!(told, [(&json!("token.create"), &json!("ci")), (&json!("token.revoke"), &json!("ci"))]);
    assert!(!entries.to_string().contains(made["token"].as_str().expect("a token")));
}
