//! Accounts that people make for themselves, where they may.

use serde_json::json;

use crate::support::{app::TestApp, client::send, people::PASSWORD};

const REGISTER: &str = "/api/v1/auth/register";
const OPEN: &[&str] = &["--registration"];

#[actix_web::test]
async fn who_makes_an_account_is_signed_in_to_it_as_a_user() {
    let app = TestApp::with(OPEN).await;
    let admin = app.administrator().await;
    let new = json!({ "username": "alice", "password": PASSWORD, "displayName": "Alice", "email": "a@example.org" });
    let made = app.anyone().post(REGISTER, new).await;
    assert_eq!((made.status, made.header("cache-control")), (201, "no-store"), "{made:?}");
    let alice = app.anyone().browser(&made.cookie().expect("a cookie"));
    let me = alice.get("/api/v1/users/me").await.json();
    assert_eq!((&me["name"], &me["displayName"], &me["roles"]), (&json!("alice"), &json!("Alice"), &json!(["user"])));
    assert_eq!(app.sign_in("alice", PASSWORD).await.status, 200);
    let entries = admin.get("/api/v1/audit?search=register").await.json();
    let entry = &entries["items"][0];
    assert_eq!((&entry["actor"], &entry["after"]["email"]), (&json!("alice"), &json!("a@example.org")), "{entries}");
    assert!(!entries.to_string().contains(PASSWORD));
}

#[actix_web::test]
async fn an_older_client_makes_an_account_under_the_older_path() {
    let app = TestApp::with(OPEN).await;
    let new = json!({ "username": "alice", "password": PASSWORD, "grant": "token" });
    let made = app.anyone().post("/api/auth/register", new).await;
    let program = app.anyone().bearer(made.json()["accessToken"].as_str().expect("a token"));
    assert_eq!((made.status, program.get("/api/v1/users/me").await.status), (201, 200));
}

#[actix_web::test]
async fn nobody_makes_an_account_where_that_is_an_administrators_to_do() {
    let new = json!({ "username": "alice", "password": PASSWORD });
    for (arguments, status, shown) in [(&[] as &[&str], 403, false), (OPEN, 201, true)] {
        let app = TestApp::with(arguments).await;
        let ways = app.anyone().get("/api/v1/system").await.json()["signIn"].clone();
        assert_eq!(ways["registration"], json!(shown));
        assert_eq!(app.anyone().post(REGISTER, new.clone()).await.status, status);
        assert_eq!(app.sign_in("alice", PASSWORD).await.status, if shown { 200 } else { 401 });
    }
}

#[actix_web::test]
async fn each_wrong_field_is_named_and_a_name_is_given_out_once() {
    let app = TestApp::with(OPEN).await;
    app.administrator().await;
    let with = |name: &str, password: &str| json!({ "username": name, "password": password });
    let bad = json!({ "username": "A", "password": PASSWORD, "displayName": "a\nb", "email": "x" });
    let answer = app.anyone().post(REGISTER, bad).await.json();
    let fields: Vec<_> = answer["errors"].as_array().expect("errors").iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["username", "displayName", "email"]);
    let weak = app.anyone().post(REGISTER, with("alice", "Password1!")).await;
    assert_eq!((weak.status, &weak.json()["errors"][0]["field"]), (400, &json!("password")));
    let roles = json!({ "username": "alice", "password": PASSWORD, "roles": ["admin"] });
    assert_eq!(app.anyone().post(REGISTER, roles).await.status, 400, "nobody gives themselves a role");
    assert_eq!(app.anyone().post(REGISTER, with("admin", PASSWORD)).await.code(), "already-exists");
    assert_eq!(app.anyone().post(REGISTER, with("alice", PASSWORD)).await.status, 201, "the control");
    assert_eq!(app.anyone().post(REGISTER, with("alice", PASSWORD)).await.code(), "already-exists");
}

#[actix_web::test]
async fn an_address_makes_accounts_no_faster_than_it_may_sign_in() {
    let app = TestApp::with(&["--registration", "--rate-limit-sign-in=3"]).await;
    let tried = async |number: u32| {
        let body = json!({ "username": format!("u{number}"), "password": PASSWORD });
        send(app.anyone().request("POST", REGISTER).json(&body)).await.status
    };
    let mut answers = Vec::new();
    for number in 0..4 {
        answers.push(tried(number).await);
    }
    assert_eq!(answers, [201, 201, 201, 429]);
}
