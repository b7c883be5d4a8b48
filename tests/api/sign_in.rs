//! Signing in and out.

use std::collections::BTreeSet;

use futures::future::join_all;
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use streamspace::{auth::Role, services::accounts};

use crate::support::{
    app::TestApp,
    client::{Answer, Client},
    people::{PASSWORD, console},
};

const LINK: &str = "/api/v1/auth/link";
const ME: &str = "/api/v1/users/me";

/// What a problem says, without what differs between two requests.
fn said(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    body.as_object_mut().expect("an object").remove("requestId");
    (answer.status, body)
}

async fn is_signed_in(client: &Client) -> bool {
    match client.get(ME).await.status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

#[actix_web::test]
async fn the_first_link_makes_an_administrator_of_whoever_opens_it_once() {
    let app = TestApp::start().await;
    let link = app.first_link().await.expect("a link");
    let first = app.anyone().post(LINK, json!({ "token": link })).await;
    assert_eq!((first.status, &first.json()["user"]["roles"]), (200, &json!(["admin"])));
    let admin = app.anyone().browser(&first.cookie().expect("a cookie"));
    assert_eq!(admin.get(ME).await.json()["name"], "admin");
    let second = app.anyone().post(LINK, json!({ "token": link })).await;
    assert_eq!((second.status, second.code()), (401, "sign-in-refused".into()));
    assert_eq!(second.cookie(), None);
}

#[actix_web::test]
async fn each_start_makes_a_new_link_until_somebody_has_signed_in() {
    let app = TestApp::start().await;
    let (first, second) = (app.first_link().await.expect("a link"), app.first_link().await.expect("a link"));
    assert_eq!(app.anyone().post(LINK, json!({ "token": first })).await.status, 401, "the older one is void");
    assert_eq!(app.anyone().post(LINK, json!({ "token": second })).await.status, 200);
    assert_eq!(app.first_link().await, None);
}

#[actix_web::test]
async fn the_first_link_works_for_an_hour() {
    let app = TestApp::start().await;
    let link = app.first_link().await.expect("a link");
    app.clock.advance(SignedDuration::from_mins(61));
    assert_eq!(app.anyone().post(LINK, json!({ "token": link })).await.status, 401);
    let link = app.first_link().await.expect("a link");
    app.clock.advance(SignedDuration::from_mins(59));
    assert_eq!(app.anyone().post(LINK, json!({ "token": link })).await.status, 200);
}

#[actix_web::test]
async fn of_many_who_open_one_link_at_once_one_gets_in() {
    let app = TestApp::start().await;
    let link = app.first_link().await.expect("a link");
    let answers =
        join_all((0..8).map(|_| async { app.anyone().post(LINK, json!({ "token": link })).await.status })).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 7, "{answers:?}");
}

#[actix_web::test]
async fn a_password_that_does_not_do_leaves_the_link_as_it_is() {
    let app = TestApp::start().await;
    let link = app.first_link().await.expect("a link");
    let short = app.anyone().post(LINK, json!({ "token": link, "password": "short" })).await;
    assert_eq!((short.status, &short.json()["errors"][0]["field"]), (400, &json!("password")));
    assert_eq!(app.anyone().post(LINK, json!({ "token": link, "password": PASSWORD })).await.status, 200);
    assert_eq!(app.sign_in("admin", PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn what_was_never_a_link_is_answered_as_a_spent_one() {
    let app = TestApp::start().await;
    let link = app.first_link().await.expect("a link");
    app.anyone().post(LINK, json!({ "token": link })).await;
    let spent = said(&app.anyone().post(LINK, json!({ "token": link })).await);
    for other in ["", "x", "A".repeat(43).as_str(), "ä"] {
        assert_eq!(said(&app.anyone().post(LINK, json!({ "token": other })).await), spent, "{other}");
    }
}

#[actix_web::test]
async fn a_wrong_password_an_unknown_name_and_a_disabled_account_are_answered_alike_for_the_same_work() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    for name in ["alice", "bob"] {
        app.person(name, &[Role::User]).await;
    }
    assert_eq!(admin.patch("/api/v1/users/bob", json!({ "disabled": true })).await.status, 200);
    let work = |app: &TestApp| app.app.auth.passwords.computed();
    let before = work(&app);
    let wrong = said(&app.sign_in("alice", "not the password").await);
    let once = work(&app) - before;
    assert_eq!((wrong.0, once), (401, 1));
    for (name, password) in
        [("nobody", PASSWORD), ("bob", PASSWORD), ("bob", "not the password"), ("Älice\u{0}", PASSWORD)]
    {
        let before = work(&app);
        assert_eq!(said(&app.sign_in(name, password).await), wrong, "{name}");
        assert_eq!(work(&app) - before, once, "{name}");
    }
    assert_eq!(app.sign_in("alice", PASSWORD).await.status, 200);
    assert_eq!(app.sign_in(" Alice ", PASSWORD).await.status, 200, "case and space around a name do not count");
}

#[actix_web::test]
async fn after_five_wrong_passwords_the_name_is_locked_for_longer_and_longer() {
    let app = TestApp::start().await;
    app.person("alice", &[Role::User]).await;
    for name in ["alice", "nobody"] {
        for _ in 0..5 {
            assert_eq!(app.sign_in(name, "not the password").await.code(), "sign-in-refused");
        }
        let locked = app.sign_in(name, PASSWORD).await;
        assert_eq!(locked.status, 401, "{name}: the right password does not help now");
        assert!(locked.json()["detail"].as_str().expect("text").contains("too many attempts"), "{locked:?}");
    }
    app.clock.advance(SignedDuration::from_secs(31));
    assert_eq!(app.sign_in("alice", "not the password").await.status, 401);
    app.clock.advance(SignedDuration::from_secs(31));
    assert_eq!(app.sign_in("alice", PASSWORD).await.status, 401, "the second lock is twice as long");
    app.clock.advance(SignedDuration::from_secs(31));
    assert_eq!(app.sign_in("alice", PASSWORD).await.status, 200);
    for _ in 0..4 {
        app.sign_in("alice", "not the password").await;
    }
    assert_eq!(app.sign_in("alice", PASSWORD).await.status, 200, "the right one began the count anew");
}

#[actix_web::test]
async fn a_lock_outlives_the_server_and_ends_with_an_administrators_link() {
    let app = TestApp::start().await;
    app.person("alice", &[Role::User]).await;
    for _ in 0..5 {
        app.sign_in("alice", "not the password").await;
    }
    let app = app.restarted(&[]).await;
    assert_eq!(app.sign_in("alice", PASSWORD).await.status, 401);
    accounts::sign_in_link(&app.app.auth, &console(), "alice").await.expect("a link");
    assert_eq!(app.sign_in("alice", PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn of_many_guesses_at_once_no_more_are_looked_at_than_one_after_the_other() {
    let app = TestApp::start().await;
    app.person("alice", &[Role::User]).await;
    let before = app.app.auth.passwords.computed();
    let guesses = (0..30).map(|number| {
        let guess = format!("guess number {number}");
        let app = &app;
        async move { app.sign_in("alice", &guess).await.status }
    });
    assert!(join_all(guesses).await.iter().all(|status| *status == 401));
    assert_eq!(app.app.auth.passwords.computed() - before, 5);
}

#[actix_web::test]
async fn signing_in_again_gives_the_browser_another_cookie_and_ends_the_old_one() {
    let app = TestApp::start().await;
    let before = app.person("alice", &[Role::User]).await;
    let elsewhere = app.anyone().browser(&app.sign_in("alice", PASSWORD).await.cookie().expect("a cookie"));
    let again = before.post("/api/v1/auth/login", json!({ "username": "alice", "password": PASSWORD })).await;
    let after = app.anyone().browser(&again.cookie().expect("a cookie"));
    assert!(!is_signed_in(&before).await);
    assert!(is_signed_in(&after).await);
    assert!(is_signed_in(&elsewhere).await, "another browser is not concerned");
}

#[actix_web::test]
async fn the_database_holds_nothing_to_sign_in_with() {
    let app = TestApp::start().await;
    let link = app.first_link().await.expect("a link");
    let cookie = app.anyone().post(LINK, json!({ "token": link })).await.cookie().expect("a cookie");
    let admin = app.anyone().browser(&cookie);
    let token =
        admin.post("/api/v1/tokens", json!({ "name": "t" })).await.json()["token"].as_str().expect("t").to_owned();
    app.sign_in("hunter2hunter2", "typed into the wrong field").await;
    let client = app.app.pool.get().await.expect("a connection");
    let mut whole = String::new();
    for table in
        ["users", "sign_ins", "sign_in_links", "sign_in_failures", "api_tokens", "signing_keys", "audit_entries"]
    {
        let rows = client.query(&format!("SELECT t::text FROM {table} t"), &[]).await.expect("rows");
        assert!(!rows.is_empty(), "{table}");
        for row in rows {
            whole += row.get::<_, &str>(0);
        }
    }
    for secret in [link.as_str(), &cookie, &token, "hunter2hunter2"] {
        assert!(!whole.contains(secret));
        assert!(!whole.contains(&hex::encode(secret)));
    }
    assert!(whole.contains("admin"), "the control: what is kept is found");
}

#[actix_web::test]
async fn signing_out_ends_the_sign_in_and_takes_the_cookie_away() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    assert!(is_signed_in(&alice).await);
    let out = alice.post("/api/v1/auth/logout", json!({})).await;
    assert_eq!((out.status, out.cookie().as_deref()), (204, Some("")));
    assert!(!is_signed_in(&alice).await);
    let stranger = app.anyone().post("/api/v1/auth/logout", json!({})).await;
    assert_eq!((stranger.status, stranger.cookie().as_deref()), (204, Some("")));
}

#[actix_web::test]
async fn a_browser_is_signed_out_after_a_day_without_a_request_and_after_a_week_in_any_case() {
    let app = TestApp::start().await;
    let (idle, busy) = (app.person("idle", &[Role::User]).await, app.person("busy", &[Role::User]).await);
    for _ in 0..8 {
        app.clock.advance(SignedDuration::from_hours(20));
        assert!(is_signed_in(&busy).await);
    }
    assert!(!is_signed_in(&idle).await);
    app.clock.advance(SignedDuration::from_hours(9));
    assert!(!is_signed_in(&busy).await, "the week is over");
    let other = app.anyone().browser(&app.sign_in("idle", PASSWORD).await.cookie().expect("a cookie"));
    app.clock.advance(SignedDuration::from_hours(23));
    assert!(is_signed_in(&other).await);
}

#[actix_web::test]
async fn a_new_password_needs_the_old_one_and_signs_the_other_browsers_out() {
    let app = TestApp::start().await;
    let here = app.person("alice", &[Role::User]).await;
    let there = app.anyone().browser(&app.sign_in("alice", PASSWORD).await.cookie().expect("a cookie"));
    app.clock.advance(SignedDuration::from_mins(16));
    let change = |body| here.post("/api/v1/auth/password", body);
    let without = change(json!({ "new": "another long password" })).await;
    assert_eq!((without.status, &without.json()["errors"][0]["field"]), (400, &json!("current")));
    let wrong = change(json!({ "current": "not the password", "new": "another long password" })).await;
    assert_eq!((wrong.status, &wrong.json()["errors"][0]["field"]), (400, &json!("current")));
    let weak = change(json!({ "current": PASSWORD, "new": "alice" })).await;
    assert_eq!((weak.status, &weak.json()["errors"][0]["field"]), (400, &json!("new")));
    assert!(is_signed_in(&there).await);
    assert_eq!(change(json!({ "current": PASSWORD, "new": "another long password" })).await.status, 204);
    assert!(is_signed_in(&here).await);
    assert!(!is_signed_in(&there).await);
    assert_eq!(app.sign_in("alice", PASSWORD).await.status, 401);
    assert_eq!(app.sign_in("alice", "another long password").await.status, 200);
}

#[actix_web::test]
async fn within_a_quarter_of_an_hour_after_a_link_a_new_password_needs_no_old_one() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    app.clock.advance(SignedDuration::from_mins(14));
    let new = json!({ "new": "another long password" });
    assert_eq!(alice.post("/api/v1/auth/password", new.clone()).await.status, 204);
    let by_password = app.sign_in("alice", "another long password").await.cookie().expect("a cookie");
    let answer = app.anyone().browser(&by_password).post("/api/v1/auth/password", new).await;
    assert_eq!(answer.status, 400, "a sign-in by password is not fresh in that way");
}

#[actix_web::test]
async fn guesses_of_the_old_password_count_as_attempts_to_sign_in() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let guess = json!({ "current": "not the password", "new": "another long password" });
    for _ in 0..5 {
        assert_eq!(alice.post("/api/v1/auth/password", guess.clone()).await.status, 400);
    }
    let right = json!({ "current": PASSWORD, "new": "another long password" });
    assert_eq!(alice.post("/api/v1/auth/password", right.clone()).await.code(), "sign-in-refused");
    app.clock.advance(SignedDuration::from_secs(31));
    assert_eq!(alice.post("/api/v1/auth/password", right).await.status, 204);
}

#[actix_web::test]
async fn a_program_signs_in_for_a_quarter_of_an_hour_and_without_a_cookie() {
    let app = TestApp::start().await;
    app.person("alice", &[Role::User]).await;
    let body = json!({ "username": "alice", "password": PASSWORD, "grant": "token" });
    let answer = app.anyone().post("/api/v1/auth/login", body).await;
    assert_eq!((answer.status, answer.cookie()), (200, None));
    assert_eq!(answer.header("cache-control"), "no-store");
    let access = app.anyone().bearer(answer.json()["accessToken"].as_str().expect("a token"));
    assert_eq!(access.get(ME).await.json()["name"], "alice");
    assert_eq!(access.post("/api/v1/auth/logout", json!({})).await.status, 403, "a token is not signed out");
    let password = json!({ "current": PASSWORD, "new": "another long password" });
    assert_eq!(access.post("/api/v1/auth/password", password).await.status, 403);
    app.clock.advance(SignedDuration::from_mins(14));
    assert!(is_signed_in(&access).await);
    app.clock.advance(SignedDuration::from_mins(2));
    assert!(!is_signed_in(&access).await);
}

#[actix_web::test]
async fn a_credential_counts_in_its_header_alone() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let token =
        alice.post("/api/v1/tokens", json!({ "name": "t" })).await.json()["token"].as_str().expect("t").to_owned();
    assert!(is_signed_in(&app.anyone().bearer(&token)).await);
    let anyone = app.anyone();
    for url in
        ["access_token", "token", "authorization", "streamspace_session"].map(|name| format!("{ME}?{name}={token}"))
    {
        assert_eq!(anyone.get(&url).await.status, 401, "{url}");
    }
    assert!(!is_signed_in(&anyone.browser(&token)).await, "a token is no cookie");
    let with = |name: &'static str, value: &str| anyone.request("GET", ME).header(name, value);
    for value in [format!("Basic {token}"), token.clone(), "Bearer ".to_owned(), "Bearer x".to_owned()] {
        let answer = crate::support::client::send(with("authorization", &value)).await;
        assert_eq!(answer.status, 401, "{value}");
    }
}

#[actix_web::test]
async fn with_a_token_that_is_not_good_the_cookie_does_not_count() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let both = || alice.request("GET", ME);
    assert_eq!(crate::support::client::send(both()).await.status, 200);
    assert_eq!(crate::support::client::send(both().header("authorization", "Bearer x")).await.status, 401);
}

#[actix_web::test]
async fn sign_in_takes_no_field_that_it_does_not_know_and_no_idempotency_key() {
    let app = TestApp::start().await;
    let body = json!({ "username": "a", "password": PASSWORD, "remember": true });
    let answer = app.anyone().post("/api/v1/auth/login", body).await;
    assert_eq!((answer.status, &answer.json()["errors"][0]["field"]), (400, &json!("remember")));
    let keyed = app.anyone().request("POST", "/api/v1/auth/login").header("idempotency-key", "k");
    let body = json!({ "username": "a", "password": PASSWORD });
    let answer = crate::support::client::send(keyed.json(&body)).await;
    assert_eq!((answer.status, answer.code()), (400, "idempotency-key-refused".into()));
}

#[actix_web::test]
async fn the_command_lines_link_lets_a_new_person_in() {
    let app = TestApp::start().await;
    let new = accounts::NewUser {
        name: "carol".into(),
        display_name: "Carol".into(),
        email: None,
        roles: BTreeSet::from([Role::Operator]),
    };
    let (_, link) = accounts::create(&app.app.auth, &console(), new).await.expect("an account");
    let url = app.app.auth.link_url(&link.secret).expose_secret().to_owned();
    assert!(url.starts_with(&app.app.config.http.public_url().to_string()) && url.contains("/sign-in#link="), "{url}");
    let carol = app.redeem(url.split("#link=").nth(1).expect("a fragment")).await;
    assert_eq!(carol.get(ME).await.json()["roles"], json!(["operator"]));
}

#[actix_web::test]
async fn once_signing_out_is_answered_the_cookie_is_dead_whatever_was_under_way() {
    let app = TestApp::start().await;
    app.person("alice", &[Role::User]).await;
    let other = app.sign_in("alice", PASSWORD).await.cookie().expect("a cookie");
    for round in 0..10 {
        let cookie = app.sign_in("alice", PASSWORD).await.cookie().expect("a cookie");
        let alice = app.anyone().browser(&cookie);
        // Each of them may look the cookie up before it ends and remember it afterwards.
        let busy = join_all((0..16).map(|_| async { is_signed_in(&alice).await }));
        let leave = async {
            assert_eq!(alice.post("/api/v1/auth/logout", json!({})).await.status, 204);
            join_all((0..8).map(|_| is_signed_in(&alice))).await
        };
        let (_, after) = tokio::join!(busy, leave);
        assert_eq!(after, [false; 8], "round {round}");
        assert!(!is_signed_in(&alice).await, "round {round}");
    }
    assert!(is_signed_in(&app.anyone().browser(&other)).await, "the control: another browser of hers");
}
