//! The whole server, killed in the middle of a sync.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::{
    git::{self, Manners, Repo},
    server::{Server, until},
    world::manifest,
};

/// How many questions the git server has had when the server is killed, and whether it hangs at the first or the last.
async fn killed_while(first: bool) {
    let repo = Repo::new();
    repo.write("a.yaml", manifest("a", "Alpha")).write("b.yaml", manifest("b", "Beta")).push();
    let git = git::Server::start(repo.served(), Manners::default()).await;
    let hangs = if first { &git.manners.hangs } else { &git.manners.hangs_later };
    hangs.store(true, Ordering::SeqCst);
    let name = if first { "sync-asked" } else { "sync-fetching" };
    let mut server = Server::start_with(name, &[("CATALOG_ALLOW", &git.root())]).await;
    let made =
        server.call("POST", "/api/v1/catalog/repositories", Some(json!({ "name": "c", "url": git.url() }))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("/api/v1/catalog/repositories/{}", made.body["id"].as_str().unwrap());
    let questions = if first { 1 } else { 2 };
    until("it is in the middle", async || (git.manners.requests.load(Ordering::SeqCst) >= questions).then_some(()))
        .await;
    assert_eq!(server.call("GET", &path, None).await.body["status"], "syncing");
    server.kill();
    hangs.store(false, Ordering::SeqCst);
    server.run().await;
    let there: Value = until("it is synced", async || {
        let there = server.call("GET", &path, None).await.body;
        (there["status"] == "synced").then_some(there)
    })
    .await;
    assert_eq!(there["templateCount"], 2, "{there}");
    let history = server.call("GET", &format!("{path}/syncs"), None).await.body;
    let results: Vec<_> = history["items"].as_array().unwrap().iter().map(|sync| &sync["result"]).collect();
    assert_eq!(results, ["synced"], "one sync, once");
}

#[actix_web::test]
async fn a_sync_goes_on_after_the_server_was_killed_while_it_asked_what_is_new() {
    killed_while(true).await;
}

#[actix_web::test]
async fn a_sync_goes_on_after_the_server_was_killed_while_it_fetched() {
    killed_while(false).await;
}
