//! Settings that change while the servers run.

use serde_json::{Value, json};
use streamspace::auth::Role;

use crate::support::{
    app::TestApp,
    client::{Answer, Client, send},
    people::until,
};

const CONFIG: &str = "/api/v1/config";

async fn change(client: &Client, body: Value) -> Answer {
    client.patch(CONFIG, body).await
}

#[actix_web::test]
async fn a_change_holds_on_every_server_and_outlives_them_until_it_is_taken_back() {
    let app = TestApp::start().await;
    let root = app.person("root", &[Role::Admin]).await;
    // As a session would: it must not ask for more than this.
    let template =
        json!({ "name": "probe", "displayName": "Probe", "baseImage": "probe:1", "webapp": { "port": 8080 } });
    assert_eq!(root.post("/api/v1/templates", template).await.status, 201);
    let session = |client: Client, idle: &'static str| async move {
        client.post("/api/v1/sessions", json!({ "template": "probe", "idleTimeout": idle })).await.status
    };
    let first = root.get(CONFIG).await;
    let shown = first.json();
    assert_eq!((&shown["maxIdleTimeout"], &shown["overrides"]), (&json!("168h"), &json!({})));
    assert_eq!(session(root.clone(), "8h").await, 201);

    let twin = app.twin().await;
    let there = twin.anyone().like(&root);
    let changed = change(&root, json!({ "maxIdleTimeout": "4h" })).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json()["overrides"], json!({ "maxIdleTimeout": "4h" }));
    assert_eq!(
        (&changed.json()["configured"]["maxIdleTimeout"], &changed.json()["changedBy"]),
        (&json!("168h"), &json!("root"))
    );
    assert_eq!(session(root.clone(), "8h").await, 400, "at once where it was made");
    until("the other server knows", || async { there.get(CONFIG).await.json()["maxIdleTimeout"] == "4h" }).await;
    assert_eq!(session(there.clone(), "8h").await, 400);
    assert_eq!(session(there, "3h").await, 201);

    let app = app.restarted(&[]).await;
    let root = app.anyone().like(&root);
    assert_eq!(session(root.clone(), "8h").await, 400);
    let back = change(&root, json!({ "maxIdleTimeout": null })).await;
    assert_eq!((back.status, &back.json()["maxIdleTimeout"]), (200, &json!("168h")));
    assert_eq!(session(root, "8h").await, 201);
}

#[actix_web::test]
async fn what_makes_no_sense_changes_nothing_and_each_wrong_setting_is_named() {
    let app = TestApp::start().await;
    let root = app.person("root", &[Role::Admin]).await;
    let before = root.get(CONFIG).await;
    for (field, body) in [
        ("logLevel", json!({ "logLevel": "loud,=", "rateLimitUser": 5 })),
        ("rateLimitUser", json!({ "rateLimitUser": 2_000_000 })),
        ("rateLimitUser", json!({ "rateLimitUser": "many" })),
        ("defaultIdleTimeout", json!({ "defaultIdleTimeout": "3h", "maxIdleTimeout": "2h" })),
        ("terminatedTtl", json!({ "terminatedTtl": "soon" })),
        ("secretKey", json!({ "secretKey": "x" })),
    ] {
        let wrong = change(&root, body.clone()).await;
        assert_eq!((wrong.status, &wrong.json()["errors"][0]["field"]), (400, &json!(field)), "{body}: {wrong:?}");
    }
    let after = root.get(CONFIG).await;
    assert_eq!((after.json(), after.header("etag")), (before.json(), before.header("etag")));
    // The control: the same settings with values that make sense.
    let sensible = json!({
        "logLevel": "warn,streamspace=debug", "rateLimitUser": 5_000, "terminatedTtl": "1h",
        "defaultIdleTimeout": "2h", "maxIdleTimeout": "3h",
    });
    assert_eq!(change(&root, sensible).await.status, 200);
}

#[actix_web::test]
async fn a_change_and_its_refusal_are_written_down_with_what_was_before_and_what_is_after() {
    let app = TestApp::start().await;
    let root = app.person("root", &[Role::Admin]).await;
    let seen = root.get(CONFIG).await.header("etag").to_owned();
    assert_eq!(change(&root, json!({ "budgetGrace": "10m" })).await.status, 200);
    let same = change(&root, json!({ "budgetGrace": "10m" })).await;
    assert_eq!((same.status, &same.json()["resourceVersion"]), (200, &json!("1")), "nothing changed");
    let late = root.request("PATCH", CONFIG).header("if-match", seen).json(&json!({ "budgetGrace": "20m" }));
    assert_eq!(send(late).await.status, 412);
    let told = root.get("/api/v1/audit?action=config&sort=time").await.json();
    let told = told["items"].as_array().expect("items");
    let words: Vec<_> = told.iter().map(|one| (one["action"].clone(), one["result"].clone())).collect();
    assert_eq!(words, [(json!("config.change"), json!("success")), (json!("config.change"), json!("refused")),]);
    let grace = |moment: &str| told[0][moment]["budgetGrace"].clone();
    assert_eq!((grace("before"), grace("after")), (json!("30m"), json!("10m")));
    assert_eq!(told[1]["before"]["budgetGrace"], json!("10m"));
    assert_eq!(told[1]["after"]["asked"], json!({ "budgetGrace": "20m" }));
}

#[actix_web::test]
async fn a_limit_on_requests_holds_as_soon_as_it_is_set() {
    let app = TestApp::start().await;
    let root = app.person("root", &[Role::Admin]).await;
    // Twenty at once, and two a second.
    assert_eq!(change(&root, json!({ "rateLimitUser": 2 })).await.status, 200);
    let mut statuses = vec![];
    for _ in 0..40 {
        statuses.push(root.get("/api/v1/users/me").await.status);
    }
    assert!(statuses.contains(&429) && statuses.starts_with(&[200; 20]), "{statuses:?}");
}
