//! What is a cluster's, asked of a server on one machine; and who reads the output of which pod.

use serde_json::json;
use streamspace::auth::Role;

use crate::{
    live::{create, run},
    support::{
        app::TestApp,
        client::{Client, send},
        people::until,
    },
};

#[actix_web::test]
async fn on_one_machine_it_is_said_that_there_is_no_cluster() {
    let app = TestApp::start().await;
    let root = app.person("root", &[Role::Admin]).await;
    let manifest = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": "y" } });
    let which = "version=v1&kind=ConfigMap&namespace=y&name=x";
    for (method, path, body) in [
        ("GET", "pods".to_owned(), json!(null)),
        ("POST", "resources".to_owned(), manifest),
        ("PATCH", format!("resources?{which}"), json!({ "data": {} })),
        ("DELETE", format!("resources?{which}"), json!(null)),
    ] {
        let answer = root.send(method, &format!("/api/v1/cluster/{path}"), &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (409, "no-cluster"), "{method} {path}: {answer:?}");
        assert!(answer.json()["detail"].as_str().expect("words").contains("one machine"), "{answer:?}");
    }
    assert_eq!(root.get("/api/v1/cluster/secrets").await.status, 404);
}

async fn logs(client: &Client, place: &str) -> u16 {
    send(client.request("GET", &format!("/api/v1/cluster/pods/{place}/logs"))).await.status
}

async fn follows(client: &Client, place: &str) -> bool {
    client.feed(&format!("/api/v1/ws/logs/{place}")).await.is_ok()
}

#[actix_web::test]
async fn a_sessions_output_is_its_owners_and_any_other_pods_is_read_by_those_who_read_all() {
    let app = TestApp::start().await;
    create(&app, "hers", "alice").await;
    run(&app, "hers").await;
    let alice = app.person("alice", &[Role::User]).await;
    until("the hub knows of her log", || async { follows(&alice, "local/hers").await }).await;
    // Each: their session's, another pod's, one where there are no pods; and whether they follow the first two.
    for (name, role, statuses, followed) in [
        ("alice", Role::User, [200, 404, 404], [true, false]),
        ("bob", Role::User, [404, 404, 404], [false, false]),
        ("olga", Role::Operator, [200, 200, 404], [true, true]),
        ("carol", Role::Auditor, [200, 200, 404], [false, false]),
        ("root", Role::Admin, [200, 200, 404], [true, true]),
    ] {
        let client = if name == "alice" { alice.clone() } else { app.person(name, &[role]).await };
        let mut met = vec![];
        for place in ["local/hers", "beside/other", "elsewhere/other"] {
            met.push(logs(&client, place).await);
        }
        assert_eq!(met, statuses, "{name}");
        let follows = [follows(&client, "local/hers").await, follows(&client, "beside/other").await];
        assert_eq!(follows, followed, "{name}");
    }
}
