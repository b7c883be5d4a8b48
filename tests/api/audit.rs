//! The audit: what is in it, who may see it, and that nobody can change it unnoticed.

use serde_json::{Value, json};
use streamspace::{
    auth::Role,
    services::{
        accounts,
        audit::{self, Entry},
        audit_chain::{self, Verdict},
    },
};

use crate::support::{
    app::TestApp,
    client::{Answer, Client, send},
    people::{PASSWORD, console, until},
};

const AUDIT: &str = "/api/v1/audit";

fn items(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["items"].as_array().expect("items").clone()
}

fn actions(answer: &Answer) -> Vec<String> {
    items(answer).iter().map(|item| item["action"].as_str().expect("an action").to_owned()).collect()
}

/// Writes `count` entries down and chains them.
async fn chained(app: &TestApp, count: usize) {
    let client = app.app.pool.get().await.expect("a connection");
    for number in 0..count {
        let entry = Entry::new("test.write", format!("test/{number}")).after(&json!({ "number": number }));
        audit::record(&client, &console(), entry).await.expect("written");
    }
    chain(app).await;
}

/// Waits until every entry has its link.
async fn chain(app: &TestApp) {
    until("every entry is chained", || async {
        audit_chain::extend(&app.app.pool).await.expect("chained");
        let client = app.app.pool.get().await.expect("a connection");
        client.query_one("SELECT count(*) FROM audit_pending", &[]).await.expect("a row").get::<_, i64>(0) == 0
    })
    .await;
}

async fn verify(app: &TestApp) -> Verdict {
    audit_chain::verify(&app.app.pool, None).await.expect("read")
}

/// Does by hand what the server cannot: as the owner of the tables, with their triggers off.
async fn tamper(app: &TestApp, statement: &str) {
    let client = app.app.pool.get().await.expect("a connection");
    let off = "ALTER TABLE audit_entries DISABLE TRIGGER USER; ALTER TABLE audit_links DISABLE TRIGGER USER;";
    client.batch_execute(&format!("{off} {statement}")).await.expect("tampered with");
}

#[actix_web::test]
async fn every_change_is_written_down_with_who_where_and_what() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let new = json!({ "name": "alice", "displayName": "Alice" });
    let request = admin.request("POST", "/api/v1/users").header("x-request-id", "the-request").json(&new);
    assert_eq!(send(request).await.status, 201);
    admin.patch("/api/v1/users/alice", json!({ "roles": ["operator"] })).await;
    admin.patch("/api/v1/users/alice", json!({ "disabled": true })).await;
    admin.patch("/api/v1/users/alice", json!({ "disabled": false })).await;
    admin.post("/api/v1/users/alice/sign-in-link", json!({})).await;
    admin.delete("/api/v1/users/alice").await;
    let about = admin.get(&format!("{AUDIT}?target=user/alice&sort=time")).await;
    let expected = ["user.create", "user.change", "user.disable", "user.enable", "user.sign-in-link", "user.delete"];
    assert_eq!(actions(&about), expected);
    let entries = items(&about);
    let created = &entries[0];
    assert_eq!((&created["actor"], &created["result"]), (&json!("admin"), &json!("success")));
    assert_eq!((&created["requestId"], &created["address"]), (&json!("the-request"), &json!("127.0.0.1")));
    assert!(created["credential"].as_str().expect("text").starts_with("sign-in "));
    assert_eq!((created.get("before"), &created["after"]["displayName"]), (None, &json!("Alice")));
    assert_eq!(
        (&entries[1]["before"]["roles"], &entries[1]["after"]["roles"]),
        (&json!(["user"]), &json!(["operator"]))
    );
}

#[actix_web::test]
async fn sign_ins_are_written_down_the_refused_ones_too() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    app.person("alice", &[Role::User]).await;
    app.sign_in("alice", "not the password").await;
    app.sign_in("hunter2hunter2", PASSWORD).await;
    let alice = app.anyone().browser(&app.sign_in("alice", PASSWORD).await.cookie().expect("a cookie"));
    alice.post("/api/v1/auth/logout", json!({})).await;
    let about = items(&admin.get(&format!("{AUDIT}?target=user/alice&action=auth&sort=time")).await);
    let told: Vec<_> = about.iter().map(|e| (e["action"].as_str().unwrap(), e["result"].as_str().unwrap())).collect();
    let (sign_in, out) = ("auth.sign-in", "auth.sign-out");
    assert_eq!(told, [(sign_in, "success"), (sign_in, "refused"), (sign_in, "success"), (out, "success")]);
    assert_eq!((&about[1]["actor"], &about[2]["actor"]), (&Value::Null, &json!("alice")));
    let refused = admin.get(&format!("{AUDIT}?result=refused")).await;
    assert_eq!(items(&refused).len(), 2);
    assert!(!format!("{:?}", refused.body).contains("hunter2"), "what was typed as a name may be a password");
}

#[actix_web::test]
async fn what_did_not_happen_is_not_written_down() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let count = || async { items(&admin.get(AUDIT).await).len() };
    let before = count().await;
    assert_eq!(admin.post("/api/v1/users", json!({ "name": "admin" })).await.status, 409);
    assert_eq!(admin.patch("/api/v1/users/admin", json!({ "disabled": true })).await.status, 409);
    assert_eq!(admin.patch("/api/v1/users/admin", json!({ "roles": ["admin"] })).await.status, 200, "no change");
    assert_eq!(count().await, before);
    assert_eq!(admin.post("/api/v1/users", json!({ "name": "alice" })).await.status, 201);
    assert_eq!(count().await, before + 1);
}

#[actix_web::test]
async fn people_see_what_is_about_them_and_auditors_everything() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let (alice, bob) = (app.person("alice", &[Role::User]).await, app.person("bob", &[Role::Operator]).await);
    let auditor = app.person("carol", &[Role::Auditor]).await;
    alice.post("/api/v1/tokens", json!({ "name": "t" })).await;
    admin.patch("/api/v1/users/alice", json!({ "displayName": "Alice" })).await;
    let seen = |answer: &Answer| {
        let mut seen: Vec<_> = items(answer).iter().map(|e| e["action"].as_str().unwrap().to_owned()).collect();
        seen.sort();
        seen
    };
    let hers = ["auth.sign-in", "token.create", "user.change", "user.create"];
    assert_eq!(seen(&alice.get(AUDIT).await), hers);
    assert_eq!(seen(&alice.get(&format!("{AUDIT}?actor=bob")).await), Vec::<String>::new());
    assert_eq!(
        seen(&bob.get(&format!("{AUDIT}?target=user/alice")).await),
        Vec::<String>::new(),
        "an operator neither"
    );
    for reader in [&auditor, &admin] {
        assert_eq!(seen(&reader.get(&format!("{AUDIT}?actor=alice")).await), ["auth.sign-in", "token.create"]);
        assert_eq!(reader.get("/api/v1/audit/head").await.status, 200);
    }
    for other in [&alice, &bob] {
        assert_eq!(other.get("/api/v1/audit/head").await.status, 403);
    }
}

#[actix_web::test]
async fn the_audit_is_filtered_searched_and_paged() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    chained(&app, 5).await;
    let list = |query: &str| {
        let (admin, url) = (admin.clone(), format!("{AUDIT}?{query}"));
        async move { admin.get(&url).await }
    };
    assert_eq!(list("action=test").await.json()["total"], json!(5));
    assert_eq!(list("action=test.write&target=test/3").await.json()["total"], json!(1));
    assert_eq!(list("action=tes").await.json()["total"], json!(0), "a noun is a whole word");
    assert_eq!(list("search=WRITE+test/4").await.json()["total"], json!(1));
    let second = list("action=test&pageSize=2&page=2&sort=time").await;
    let targets: Vec<_> = items(&second).iter().map(|e| e["target"].clone()).collect();
    assert_eq!(targets, [json!("test/2"), json!("test/3")]);
    assert_eq!(items(&list("action=test").await)[0]["target"], json!("test/4"), "the newest first");
    let third = items(&list("target=test/2").await)[0]["time"].as_str().expect("a time").to_owned();
    assert_eq!(list(&format!("action=test&from={third}")).await.json()["total"], json!(3));
    assert_eq!(list(&format!("action=test&to={third}")).await.json()["total"], json!(2));
    assert_eq!(list("from=yesterday").await.status, 400);
    assert_eq!(list("sort=actor").await.status, 400);
    assert_eq!(list("actor=a%00").await.status, 400);
}

#[actix_web::test]
async fn a_long_audit_is_counted_to_ten_thousand() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let client = app.app.pool.get().await.expect("a connection");
    let many = "INSERT INTO audit_entries (id, credential, action, result) \
                SELECT gen_random_uuid(), 'console', 'test.write', 'success' FROM generate_series(1, $1)";
    client.execute(many, &[&10_000]).await.expect("written");
    let list = || async { admin.get(&format!("{AUDIT}?action=test&pageSize=1")).await.json() };
    let exact = list().await;
    assert_eq!((&exact["total"], exact.get("totalIs")), (&json!(10_000), None));
    client.execute(many, &[&1]).await.expect("written");
    let more = list().await;
    assert_eq!((&more["total"], &more["totalIs"]), (&json!(10_000), &json!("atLeast")));
}

#[actix_web::test]
async fn an_entry_can_be_neither_changed_nor_removed() {
    let app = TestApp::start().await;
    chained(&app, 2).await;
    let client = app.app.pool.get().await.expect("a connection");
    for statement in [
        "UPDATE audit_entries SET actor = 'eve'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries CASCADE",
        "UPDATE audit_links SET number = number + 10",
        "DELETE FROM audit_links",
        "TRUNCATE audit_links",
    ] {
        let error = client.batch_execute(statement).await.expect_err(statement);
        assert!(
            error.as_db_error().is_some_and(|error| error.message().contains("append-only")),
            "{statement}: {error:?}"
        );
    }
    assert!(matches!(verify(&app).await, Verdict::Whole { links: 2, head: Some(_) }));
}

#[actix_web::test]
async fn a_role_that_may_only_insert_and_read_is_enough_to_write_entries() {
    let app = TestApp::start().await;
    let client = app.app.pool.get().await.expect("a connection");
    let role = format!("writer_{}", std::process::id());
    client
        .batch_execute(&format!(
            "DROP ROLE IF EXISTS {role}; CREATE ROLE {role}; GRANT USAGE ON SCHEMA public TO {role}; \
             GRANT INSERT, SELECT ON audit_entries, audit_links TO {role}; \
             GRANT INSERT, SELECT, DELETE ON audit_pending TO {role}; SET ROLE {role}"
        ))
        .await
        .expect("a role");
    audit::record(&client, &console(), Entry::new("test.write", "test/1")).await.expect("written");
    for statement in ["UPDATE audit_entries SET actor = 'eve'", "DELETE FROM audit_entries", "TRUNCATE audit_links"] {
        assert!(client.batch_execute(statement).await.is_err(), "{statement}");
    }
    client.batch_execute(&format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).await.expect("gone");
    chain(&app).await;
    assert!(matches!(verify(&app).await, Verdict::Whole { links: 1, .. }));
}

#[actix_web::test]
async fn verifying_finds_the_first_entry_that_was_changed_removed_or_put_in() {
    let app = TestApp::start().await;
    chained(&app, 5).await;
    assert!(matches!(verify(&app).await, Verdict::Whole { links: 5, .. }), "the control");
    let entry = "(SELECT entry FROM audit_links WHERE number = 3)";
    for (statement, undo) in [
        (
            format!("UPDATE audit_entries SET actor = 'eve' WHERE id = {entry}"),
            format!("UPDATE audit_entries SET actor = 'console' WHERE id = {entry}"),
        ),
        (
            format!("UPDATE audit_entries SET time = time + interval '1 us' WHERE id = {entry}"),
            format!("UPDATE audit_entries SET time = time - interval '1 us' WHERE id = {entry}"),
        ),
        (
            format!("UPDATE audit_entries SET after = '{{\"number\": 2}}' WHERE id = {entry}"),
            format!("UPDATE audit_entries SET after = '{{\"number\":2}}' WHERE id = {entry}"),
        ),
        ("UPDATE audit_links SET hash = sha256(hash) WHERE number = 3".to_owned(), String::new()),
    ] {
        let before = links(&app).await;
        tamper(&app, &statement).await;
        assert!(matches!(verify(&app).await, Verdict::Broken { number: 3, .. }), "{statement}");
        if undo.is_empty() {
            restore(&app, before).await;
        } else {
            tamper(&app, &undo).await;
        }
        assert!(matches!(verify(&app).await, Verdict::Whole { links: 5, .. }), "the control");
    }
    // In two steps: between them no two links may have the same number.
    let apart = "UPDATE audit_links SET number = number + 1000 WHERE number >= 4; \
                 UPDATE audit_links SET number = number - 999 WHERE number >= 1004";
    tamper(&app, apart).await;
    assert!(matches!(verify(&app).await, Verdict::Broken { number: 4, .. }));
}

/// Number and hash of every link.
async fn links(app: &TestApp) -> Vec<(i64, Vec<u8>)> {
    let client = app.app.pool.get().await.expect("a connection");
    let rows = client.query("SELECT number, hash FROM audit_links", &[]).await.expect("rows");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn restore(app: &TestApp, links: Vec<(i64, Vec<u8>)>) {
    let client = app.app.pool.get().await.expect("a connection");
    for (number, hash) in links {
        client
            .execute("UPDATE audit_links SET hash = $2 WHERE number = $1", &[&number, &hash])
            .await
            .expect("restored");
    }
}

#[actix_web::test]
async fn a_cut_end_shows_only_beside_a_head_that_was_noted_elsewhere() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    chain(&app).await;
    chained(&app, 3).await;
    let head = admin.get("/api/v1/audit/head").await.json();
    let noted = head["hash"].as_str().expect("a hash").to_owned();
    let check = || async { audit_chain::verify(&app.app.pool, Some(&noted)).await.expect("read") };
    chained(&app, 2).await;
    let Verdict::Whole { links, .. } = check().await else { panic!("the control: more entries are no cut") };
    let last = head["number"].as_i64().expect("a number");
    assert_eq!(links, last + 2);
    tamper(
        &app,
        &format!(
            "CREATE TEMP TABLE gone AS SELECT entry FROM audit_links WHERE number >= {last}; \
             DELETE FROM audit_links WHERE number >= {last}; DELETE FROM audit_entries WHERE id IN (SELECT entry FROM gone)"
        ),
    )
    .await;
    assert!(matches!(verify(&app).await, Verdict::Whole { .. }), "by itself the rest looks whole");
    assert_eq!(check().await, Verdict::Cut { links: last - 1 });
}

#[actix_web::test]
async fn an_entry_that_is_kept_from_its_link_is_noticed() {
    let app = TestApp::start().await;
    chained(&app, 2).await;
    let hidden = "ALTER TABLE audit_entries DISABLE TRIGGER USER; \
                  INSERT INTO audit_entries (id, time, credential, action, result) \
                  VALUES (gen_random_uuid(), now() - interval '2 min', 'console', 'test.hidden', 'success')";
    tamper(&app, hidden).await;
    assert!(matches!(verify(&app).await, Verdict::Unlinked { entries: 1, .. }));
}

#[actix_web::test]
async fn however_many_chain_at_once_every_entry_has_one_link() {
    let app = TestApp::start().await;
    let client = app.app.pool.get().await.expect("a connection");
    let writing = async {
        for number in 0..200 {
            let entry = Entry::new("test.write", format!("test/{number}"));
            audit::record(&client, &console(), entry).await.expect("written");
        }
    };
    let chaining = || async {
        for _ in 0..50 {
            audit_chain::extend(&app.app.pool).await.expect("chained");
        }
    };
    tokio::join!(writing, chaining(), chaining(), chaining());
    chain(&app).await;
    assert!(matches!(verify(&app).await, Verdict::Whole { links: 200, .. }));
}

#[actix_web::test]
async fn the_server_chains_by_itself_and_shows_the_head() {
    let app = TestApp::start().await;
    let admin: Client = app.administrator().await;
    until("the sign-in is chained", || async {
        admin.get("/api/v1/audit/head").await.json()["number"].as_i64().is_some_and(|number| number >= 2)
    })
    .await;
    let head = admin.get("/api/v1/audit/head").await.json();
    let Verdict::Whole { head: Some(found), .. } = verify(&app).await else { panic!("whole") };
    assert_eq!(head["hash"].as_str().expect("a hash").len(), found.len());
    assert!(matches!(accounts::get(&app.app.auth, "admin").await, Ok(user) if user.last_sign_in_at.is_some()));
}
