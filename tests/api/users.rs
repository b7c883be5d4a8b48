//! Accounts, and what ends with them.

use futures::future::join_all;
use serde_json::{Value, json};
use streamspace::{
    auth::Role,
    crd::{Session, SessionSpec},
    objects::Precondition,
};

use crate::support::{
    app::TestApp,
    client::{Answer, Client, send},
    people::{PASSWORD, until},
};

const USERS: &str = "/api/v1/users";
const ME: &str = "/api/v1/users/me";

fn names(list: &Answer) -> Vec<String> {
    let list = list.json();
    list["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["name"].as_str().expect("a name").to_owned())
        .collect()
}

async fn create(admin: &Client, name: &str) -> Answer {
    admin.post(USERS, json!({ "name": name })).await
}

#[actix_web::test]
async fn an_administrator_makes_an_account_whose_owner_comes_in_by_its_link() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let new =
        json!({ "name": "alice", "displayName": "Alice Älvros", "email": "a@example.org", "roles": ["operator"] });
    let created = admin.post(USERS, new).await;
    assert_eq!((created.status, created.header("location")), (201, "/api/v1/users/alice"));
    assert_eq!(created.header("cache-control"), "no-store");
    let body = created.json();
    assert_eq!((&body["disabled"], &body["lastSignInAt"]), (&json!(false), &Value::Null));
    let url = body["signInLink"]["url"].as_str().expect("a link");
    let alice = app.redeem(url.split("#link=").nth(1).expect("a fragment")).await;
    let me = alice.get(ME).await.json();
    assert_eq!((&me["displayName"], &me["email"]), (&json!("Alice Älvros"), &json!("a@example.org")));
    assert_eq!(me["roles"], json!(["operator"]));
    let shown = admin.get("/api/v1/users/alice").await.json();
    assert!(shown["lastSignInAt"].is_string());
    assert_eq!(shown.get("signInLink"), None, "the link is told once");
}

#[actix_web::test]
async fn each_wrong_field_of_a_new_account_is_named() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let bad = json!({ "name": "Alice", "displayName": "a\nb", "email": "nowhere", "roles": [] });
    let answer = admin.post(USERS, bad).await;
    let fields: Vec<_> =
        answer.json()["errors"].as_array().expect("errors").iter().map(|e| e["field"].clone()).collect();
    assert_eq!(
        (answer.status, fields),
        (400, vec![json!("name"), json!("displayName"), json!("email"), json!("roles")])
    );
    let unknown = admin.post(USERS, json!({ "name": "alice", "role": "admin" })).await;
    assert_eq!((unknown.status, &unknown.json()["errors"][0]["field"]), (400, &json!("role")));
    let invented = admin.post(USERS, json!({ "name": "alice", "roles": ["root"] })).await;
    assert_eq!(invented.status, 400);
    assert_eq!(names(&admin.get(USERS).await), ["admin"]);
    assert_eq!(create(&admin, "alice").await.status, 201);
}

#[actix_web::test]
async fn a_name_is_never_given_out_again() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    assert_eq!(create(&admin, "alice").await.status, 201);
    assert_eq!(create(&admin, "alice").await.code(), "already-exists");
    assert_eq!(admin.delete("/api/v1/users/alice").await.status, 204);
    assert_eq!(admin.get("/api/v1/users/alice").await.status, 404);
    assert_eq!(names(&admin.get(USERS).await), ["admin"]);
    assert_eq!(create(&admin, "alice").await.code(), "already-exists");
}

#[actix_web::test]
async fn of_a_deleted_person_nothing_is_kept_but_the_name() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let alice = app.person("alice", &[Role::User]).await;
    let change = json!({ "displayName": "Alice Älvros", "email": "a@example.org" });
    assert_eq!(admin.patch("/api/v1/users/alice", change).await.status, 200);
    assert_eq!(admin.delete("/api/v1/users/alice").await.status, 204);
    assert_eq!(alice.get(ME).await.status, 401);
    assert_eq!(app.sign_in("alice", PASSWORD).await.status, 401);
    let client = app.app.pool.get().await.expect("a connection");
    let row: String =
        client.query_one("SELECT u::text FROM users u WHERE name = 'alice'", &[]).await.expect("a row").get(0);
    assert!(!row.contains("Älvros") && !row.contains("example.org") && !row.contains("argon2"), "{row}");
}

#[actix_web::test]
async fn disabling_ends_whatever_lets_the_person_in_and_enabling_brings_none_of_it_back() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let browser = app.person("alice", &[Role::User]).await;
    let grant = json!({ "username": "alice", "password": PASSWORD, "grant": "token" });
    let access =
        app.anyone().post("/api/v1/auth/login", grant).await.json()["accessToken"].as_str().expect("t").to_owned();
    let made = browser.post("/api/v1/tokens", json!({ "name": "t" })).await.json();
    let link = admin.post("/api/v1/users/alice/sign-in-link", json!({})).await.json()["url"].clone();
    let link = link.as_str().and_then(|url| url.split("#link=").nth(1)).expect("a link").to_owned();
    let clients = [browser, app.anyone().bearer(&access), app.anyone().bearer(made["token"].as_str().expect("t"))];
    for client in &clients {
        assert_eq!(client.get(ME).await.status, 200);
    }
    assert_eq!(admin.patch("/api/v1/users/alice", json!({ "disabled": true })).await.status, 200);
    let all_out = || join_all(clients.iter().map(|client| async { client.get(ME).await.status }));
    assert_eq!(all_out().await, [401; 3]);
    assert_eq!(app.anyone().post("/api/v1/auth/link", json!({ "token": link })).await.status, 401);
    assert_eq!(admin.post("/api/v1/users/alice/sign-in-link", json!({})).await.code(), "conflict");
    assert_eq!(admin.patch("/api/v1/users/alice", json!({ "disabled": false })).await.status, 200);
    assert_eq!(all_out().await, [401; 3]);
    assert_eq!(app.anyone().post("/api/v1/auth/link", json!({ "token": link })).await.status, 401);
    assert_eq!(app.sign_in("alice", PASSWORD).await.status, 200, "the password is as it was");
}

#[actix_web::test]
async fn roles_take_effect_with_the_next_request() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let alice = app.person("alice", &[Role::Operator]).await;
    assert_eq!(alice.get(USERS).await.status, 200);
    admin.patch("/api/v1/users/alice", json!({ "roles": ["user"] })).await;
    assert_eq!(alice.get(USERS).await.status, 403);
    assert_eq!(alice.get(ME).await.status, 200);
    admin.patch("/api/v1/users/alice", json!({ "roles": ["user", "auditor"] })).await;
    assert_eq!(alice.get(USERS).await.status, 200);
}

#[actix_web::test]
async fn the_last_administrator_stays_one() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    for change in [json!({ "disabled": true }), json!({ "roles": ["user"] })] {
        assert_eq!(admin.patch("/api/v1/users/admin", change).await.code(), "conflict");
    }
    assert_eq!(admin.delete("/api/v1/users/admin").await.code(), "conflict");
    assert_eq!(admin.patch("/api/v1/users/admin", json!({ "displayName": "Root" })).await.status, 200);
    let second = app.person("second", &[Role::Admin]).await;
    assert_eq!(admin.patch("/api/v1/users/admin", json!({ "roles": ["user"] })).await.status, 200);
    assert_eq!(second.patch("/api/v1/users/second", json!({ "disabled": true })).await.code(), "conflict");
}

#[actix_web::test]
async fn of_administrators_who_remove_each_other_at_once_one_stays() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    for round in 0..5 {
        let name = format!("rival{round}");
        let rival = app.person(&name, &[Role::Admin]).await;
        let (one, other) = (format!("{USERS}/{name}"), format!("{USERS}/admin"));
        let demoted = json!({ "roles": ["user"] });
        let answers = join_all([admin.patch(&one, demoted.clone()), rival.patch(&other, demoted)]).await;
        let done = answers.iter().filter(|answer| answer.status == 200).count();
        let list = if admin.get(USERS).await.status == 200 { admin.get(USERS).await } else { rival.get(USERS).await };
        let list = list.json();
        let left =
            list["items"].as_array().expect("items").iter().filter(|item| item["roles"] == json!(["admin"])).count();
        assert_eq!((done, left), (1, 1), "round {round}");
        if answers[1].status == 200 {
            rival.patch(&other, json!({ "roles": ["admin"] })).await;
            admin.patch(&one, json!({ "roles": ["user"] })).await;
        }
    }
}

#[actix_web::test]
async fn an_account_has_a_version_that_changes_with_it() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let tag = create(&admin, "alice").await.header("etag").to_owned();
    let alice = |method: &str| admin.request(method, "/api/v1/users/alice");
    assert_eq!(send(alice("GET").header("if-none-match", &tag)).await.status, 304);
    let change = json!({ "displayName": "Alice" });
    let changed = send(alice("PATCH").header("if-match", &tag).json(&change)).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
    assert_eq!(admin.get("/api/v1/users/alice").await.header("etag"), changed.header("etag"));
    assert_eq!(send(alice("GET").header("if-none-match", &tag)).await.status, 200);
    for condition in [tag.as_str(), "\"x\""] {
        assert_eq!(send(alice("PATCH").header("if-match", condition).json(&change)).await.code(), "stale");
        assert_eq!(send(alice("DELETE").header("if-match", condition)).await.code(), "stale");
    }
    let again = send(alice("PATCH").json(&change)).await;
    assert_eq!(again.header("etag"), changed.header("etag"), "what changes nothing makes no new version");
    assert_eq!(send(alice("DELETE").header("if-match", changed.header("etag"))).await.status, 204);
}

#[actix_web::test]
async fn a_null_takes_an_address_away_and_an_absent_field_stays() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    admin.post(USERS, json!({ "name": "alice", "displayName": "Alice", "email": "a@example.org" })).await;
    let alice = |change| admin.patch("/api/v1/users/alice", change);
    let kept = alice(json!({ "roles": ["auditor"] })).await.json();
    assert_eq!((&kept["email"], &kept["displayName"]), (&json!("a@example.org"), &json!("Alice")));
    let removed = alice(json!({ "email": null })).await.json();
    assert_eq!((&removed["email"], &removed["displayName"]), (&Value::Null, &json!("Alice")));
}

#[actix_web::test]
async fn accounts_are_searched_sorted_and_paged() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    for (name, shown) in [("carol", "Zoë 100%"), ("alice", "Alice Smith"), ("bob", "Bob Smith")] {
        assert_eq!(admin.post(USERS, json!({ "name": name, "displayName": shown })).await.status, 201);
    }
    assert_eq!(names(&admin.get(USERS).await), ["admin", "alice", "bob", "carol"]);
    let page = admin.get(&format!("{USERS}?pageSize=2&page=2")).await;
    assert_eq!(names(&page), ["bob", "carol"]);
    let shown = page.json();
    assert_eq!(
        (&shown["kind"], &shown["page"], &shown["size"], &shown["total"]),
        (&json!("UserList"), &json!(2), &json!(2), &json!(4))
    );
    assert_eq!(names(&admin.get(&format!("{USERS}?sort=-name")).await), ["carol", "bob", "alice", "admin"]);
    assert_eq!(names(&admin.get(&format!("{USERS}?sort=createdAt")).await), ["admin", "carol", "alice", "bob"]);
    assert_eq!(names(&admin.get(&format!("{USERS}?sort=-lastSignInAt")).await)[0], "admin");
    assert_eq!(names(&admin.get(&format!("{USERS}?search=SMITH")).await), ["alice", "bob"]);
    assert_eq!(names(&admin.get(&format!("{USERS}?search=smith+bo")).await), ["bob"]);
    assert_eq!(names(&admin.get(&format!("{USERS}?search=0%25")).await), ["carol"]);
    assert_eq!(names(&admin.get(&format!("{USERS}?search=%25%25")).await), Vec::<String>::new(), "a % is a %");
    assert_eq!(admin.get(&format!("{USERS}?sort=email")).await.status, 400);
    assert_eq!(admin.get(&format!("{USERS}?search=a%00")).await.status, 400);
}

#[actix_web::test]
async fn names_that_nobody_can_have_are_not_there() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    for name in ["nobody", "Alice", "a%00b", "..%2fadmin", "%C3%A4"] {
        let path = format!("{USERS}/{name}");
        assert_eq!(admin.get(&path).await.status, 404, "{name}");
        assert_eq!(admin.patch(&path, json!({ "disabled": true })).await.status, 404, "{name}");
        assert_eq!(admin.delete(&path).await.status, 404, "{name}");
    }
    assert_eq!(admin.get("/api/v1/users/admin").await.status, 200);
}

#[actix_web::test]
async fn the_sessions_of_who_is_disabled_or_deleted_are_put_to_sleep_and_nobody_elses() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    for name in ["alice", "bob", "carol"] {
        app.person(name, &[Role::User]).await;
        let spec = SessionSpec { user: name.into(), template: "none".into(), ..SessionSpec::default() };
        app.app.sessions.create(&Session::new(&format!("{name}-1"), spec)).await.expect("created");
    }
    let spec = |name: &str| {
        let path = format!("/api/v1/sessions/{name}-1");
        let admin = &admin;
        async move { admin.get(&path).await.json() }
    };
    admin.patch("/api/v1/users/alice", json!({ "disabled": true })).await;
    admin.delete("/api/v1/users/bob").await;
    for name in ["alice", "bob"] {
        until("it sleeps", || async { spec(name).await["spec"]["state"] == "hibernated" }).await;
        let why = spec(name).await["metadata"]["annotations"]["stream.streamspace.io/stopped-because"].clone();
        assert_eq!(why, "Disabled");
    }
    assert_eq!(spec("carol").await["spec"]["state"], "running", "the control");
    // What was missed, or woken by somebody else, is found again.
    let wake = json!({ "spec": { "state": "running" } });
    app.app.sessions.patch("alice-1", &wake, &Precondition::default()).await.expect("changed");
    admin.patch("/api/v1/users/carol", json!({ "roles": ["auditor"] })).await;
    until("it sleeps again", || async { spec("alice").await["spec"]["state"] == "hibernated" }).await;
    // Enabled again, nothing starts by itself.
    admin.patch("/api/v1/users/alice", json!({ "disabled": false })).await;
    app.app.sessions.patch("alice-1", &wake, &Precondition::default()).await.expect("changed");
    admin.patch("/api/v1/users/carol", json!({ "disabled": true })).await;
    until("hers sleeps", || async { spec("carol").await["spec"]["state"] == "hibernated" }).await;
    assert_eq!(spec("alice").await["spec"]["state"], "running", "and what she woke stays awake");
}
