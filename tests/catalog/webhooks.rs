//! Webhooks: whoever knows the secret has the repository synced, once for each delivery.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use streamspace::auth::Role;

use crate::{
    support::client::{Answer, send},
    world::{World, manifest},
};

const PATH: &str = "/webhooks/repository/sync";

struct Hooks {
    world: World,
    id: String,
    secret: String,
}

impl Hooks {
    async fn new() -> Self {
        let world = World::new().await;
        world.repo.write("a.yaml", manifest("a", "Alpha")).push();
        let id = world.add(json!({ "branch": "main" })).await;
        let made = world.admin.post(&format!("/api/v1/catalog/repositories/{id}/webhook-secret"), json!({})).await;
        assert_eq!(made.status, 201, "{made:?}");
        let secret = made.json()["secret"].as_str().unwrap().to_owned();
        assert!(made.json()["url"].as_str().unwrap().ends_with(PATH));
        Self { world, id, secret }
    }

    fn push(&self, name: &str) -> Value {
        json!({ "ref": name, "repository": { "clone_url": self.world.git.url(), "default_branch": "main" } })
    }

    fn sign(&self, body: &Value) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap().chain_update(body.to_string());
        hex::encode(mac.finalize().into_bytes())
    }

    async fn send(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        let anyone = self.world.app.anyone().page_of("https://github.com");
        let mut request = anyone.request("POST", PATH);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request.header("content-type", "application/json").body(body.to_string())).await
    }

    async fn github(&self, delivery: &str, body: &Value) -> Answer {
        let signature = format!("sha256={}", self.sign(body));
        let headers =
            [("x-github-event", "push"), ("x-github-delivery", delivery), ("x-hub-signature-256", &signature)];
        self.send(&headers, body).await
    }

    async fn deliveries(&self) -> Vec<String> {
        let list = self.world.admin.get(&format!("/api/v1/catalog/repositories/{}/deliveries", self.id)).await.json();
        list["items"].as_array().unwrap().iter().map(|item| item["result"].as_str().unwrap().to_owned()).collect()
    }
}

#[actix_web::test]
async fn a_push_brings_what_was_pushed_into_the_catalog() {
    let hooks = Hooks::new().await;
    hooks.world.repo.write("b.yaml", manifest("b", "Beta")).push();
    let answer = hooks.github("1", &hooks.push("refs/heads/main")).await;
    assert_eq!((answer.status, &answer.json()["type"]), (202, &"catalog.sync".into()), "{answer:?}");
    hooks.world.until_synced(&hooks.id).await;
    assert_eq!(hooks.world.names("").await, ["a", "b"]);
    assert_eq!(hooks.deliveries().await, ["accepted"]);
}

#[actix_web::test]
async fn a_delivery_is_taken_once() {
    let hooks = Hooks::new().await;
    let push = hooks.push("refs/heads/main");
    assert_eq!(hooks.github("1", &push).await.status, 202);
    let again = hooks.github("1", &push).await;
    assert_eq!((again.status, again.code()), (409, "conflict".into()));
    assert_eq!(hooks.github("2", &push).await.status, 202, "another delivery");
    assert_eq!(hooks.deliveries().await, ["accepted", "replayed", "accepted"]);
}

#[actix_web::test]
async fn a_wrong_signature_and_an_unknown_repository_are_refused_in_the_same_words() {
    let hooks = Hooks::new().await;
    let push = hooks.push("refs/heads/main");
    let forged = [("x-github-event", "push"), ("x-hub-signature-256", &*format!("sha256={}", "0".repeat(64)))];
    let wrong = hooks.send(&forged, &push).await;
    let elsewhere = json!({ "ref": "refs/heads/main", "repository": { "clone_url": "https://h.example/x/y" } });
    let unknown = hooks.github("1", &elsewhere).await;
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(wrong.json()["detail"], unknown.json()["detail"]);
    assert_eq!(hooks.send(&[("x-github-event", "push")], &push).await.status, 401, "no proof at all");
    assert_eq!(hooks.deliveries().await, [""; 0]);
    assert_eq!(hooks.github("1", &push).await.status, 202, "control");
    let renewed =
        hooks.world.admin.post(&format!("/api/v1/catalog/repositories/{}/webhook-secret", hooks.id), json!({})).await;
    assert_eq!(renewed.status, 201);
    assert_eq!(hooks.github("3", &push).await.status, 401, "the secret before is good no longer");
}

#[actix_web::test]
async fn only_what_is_read_leads_to_a_sync_and_a_ping_is_answered() {
    let hooks = Hooks::new().await;
    let other = hooks.github("1", &hooks.push("refs/heads/other")).await;
    assert_eq!((other.status, &other.json()["result"]), (200, &"ignored".into()));
    let body = json!({ "zen": "…", "repository": { "clone_url": hooks.world.git.url() } });
    let signature = format!("sha256={}", hooks.sign(&body));
    let ping = hooks.send(&[("x-github-event", "ping"), ("x-hub-signature-256", &signature)], &body).await;
    assert_eq!((ping.status, &ping.json()["result"]), (200, &"pong".into()));
    assert_eq!(hooks.deliveries().await, ["pong", "ignored"]);
}

#[actix_web::test]
async fn gitlab_gitea_bitbucket_and_others_are_understood() {
    let hooks = Hooks::new().await;
    let url = hooks.world.git.url();
    let gitlab = json!({ "ref": "refs/heads/main", "project": { "git_http_url": url, "default_branch": "main" } });
    let gitlab = hooks.send(&[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", &hooks.secret)], &gitlab).await;
    let gitea = hooks.push("refs/heads/main");
    let gitea = hooks
        .send(
            &[("x-gitea-event", "push"), ("x-gitea-delivery", "g"), ("x-gitea-signature", &hooks.sign(&gitea))],
            &gitea,
        )
        .await;
    let bitbucket = json!({
        "push": { "changes": [{ "new": { "type": "branch", "name": "main" } }] },
        "repository": { "links": { "html": { "href": url.trim_end_matches(".git") } } },
    });
    let signature = format!("sha256={}", hooks.sign(&bitbucket));
    let bitbucket = hooks
        .send(&[("x-event-key", "repo:push"), ("x-request-uuid", "b"), ("x-hub-signature", &signature)], &bitbucket)
        .await;
    let other = json!({ "repository_url": url, "branch": "main" });
    let other = hooks.send(&[("x-hub-signature-256", &hooks.sign(&other))], &other).await;
    assert_eq!(
        [gitlab.status, gitea.status, bitbucket.status, other.status],
        [202; 4],
        "{gitlab:?} {gitea:?} {bitbucket:?} {other:?}"
    );
}

#[actix_web::test]
async fn a_program_with_a_token_of_that_scope_says_url_and_branch() {
    let hooks = Hooks::new().await;
    let body = json!({ "repository_url": hooks.world.git.url(), "branch": "main" });
    let token = async |scope: &str| {
        let wish = json!({ "name": scope, "expiresIn": "24h", "scopes": [scope] });
        let made = hooks.world.admin.post("/api/v1/tokens", wish).await;
        assert_eq!(made.status, 201, "{made:?}");
        hooks.world.app.anyone().bearer(made.json()["token"].as_str().unwrap())
    };
    let accepted = token("catalog:sync").await.post(PATH, body.clone()).await;
    assert_eq!((accepted.status, &accepted.json()["createdBy"]), (202, &"ada".into()), "{accepted:?}");
    assert_eq!(token("sessions:read").await.post(PATH, body.clone()).await.status, 403);
    let nowhere = json!({ "repository_url": "https://h.example/x/y", "branch": "main" });
    assert_eq!(token("catalog:read").await.post(PATH, nowhere.clone()).await.status, 403);
    let cookie = hooks.world.app.person("olga", &[Role::Operator]).await.page_of("https://evil.example");
    assert_eq!(cookie.post(PATH, body).await.status, 401, "a browser's cookie counts for nothing here");
}
