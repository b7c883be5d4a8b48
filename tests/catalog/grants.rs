//! What wants to be root inside its container is run once an administrator has granted that, and not before.

use serde_json::{Value, json};

use crate::{
    git::{self, Manners, Repo},
    server::{Server, until},
};

/// A manifest as they are in the wild: the older group, `kasmvnc`, a web client of its own on port 3000, a home at
/// `/config`. Its program tells which home it has.
fn wild(name: &str) -> String {
    format!(
        r#"apiVersion: stream.space/v1alpha1
kind: Template
metadata:
  name: {name}
spec:
  displayName: Wild
  baseImage: example.com/{name}:latest
  kasmvnc: {{ enabled: true, port: 3000 }}
  volumeMounts:
    - {{ name: user-home, mountPath: /config }}
  local:
    command:
      - /usr/bin/perl
      - -MIO::Socket::INET
      - -e
      - |
        $| = 1;
        my $door = IO::Socket::INET->new(LocalAddr => "127.0.0.1:3000", Listen => 9, ReuseAddr => 1) or die;
        print -d "/config" ? "home is there\n" : "no home\n";
        while (my $guest = $door->accept) {{
            sysread($guest, my $asked, 4096);
            print $guest "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"; close $guest;
        }}
"#
    )
}

struct Wild {
    server: Server,
    repository: String,
    _git: git::Server,
    _repo: Repo,
}

impl Wild {
    /// A server on which the wild templates `one` and `other` are installed.
    async fn new(test: &str) -> Self {
        let repo = Repo::new();
        repo.write("one.yaml", wild("one")).write("other.yaml", wild("other")).push();
        let git = git::Server::start(repo.served(), Manners::default()).await;
        let server = Server::start_with(test, &[("CATALOG_ALLOW", &git.root())]).await;
        let wish = json!({ "name": "wild", "url": git.url() });
        let made = server.call("POST", "/api/v1/catalog/repositories", Some(wish)).await;
        let repository = made.body["id"].as_str().expect("a repository").to_owned();
        let found = until("it is synced", async || {
            let path = format!("/api/v1/catalog/templates?repository={repository}");
            let found = server.call("GET", &path, None).await.body["items"].as_array()?.clone();
            (found.len() == 2).then_some(found)
        })
        .await;
        for template in found {
            let wish = json!({ "catalogTemplateId": template["id"] });
            let installed = server.call("POST", "/api/v1/catalog/install", Some(wish)).await;
            assert_eq!((installed.status, &installed.body["spec"]["security"]), (201, &"baseline".into()));
        }
        Self { server, repository, _git: git, _repo: repo }
    }

    /// What launching a template is answered.
    async fn launch(&self, template: &str) -> (u16, Value) {
        let answer = self.server.call("POST", "/api/v1/sessions", Some(json!({ "template": template }))).await;
        (answer.status, answer.body)
    }

    /// Launches a template that has to run, and sees it run.
    async fn runs(&self, template: &str) {
        let name = self.server.session(json!({ "template": template })).await;
        self.server.reaches(&name, "Running").await;
        assert_eq!(self.server.last_line(&name).await, "home is there");
    }

    async fn grant(&self, wish: Value) -> (u16, Value) {
        let answer = self.server.call("POST", "/api/v1/catalog/grants", Some(wish)).await;
        (answer.status, answer.body)
    }

    /// What was done with the template `one`, the latest first.
    async fn actions(&self) -> Vec<String> {
        let audit = self.server.call("GET", "/api/v1/audit?target=template/one", None).await.body;
        let items = audit["items"].as_array().expect("a list").clone();
        items.iter().map(|item| item["action"].as_str().expect("an action").to_owned()).collect()
    }
}

#[actix_web::test]
async fn a_wild_template_is_refused_before_its_grant_and_runs_after_it() {
    let wild = Wild::new("grants-template").await;
    let (status, refused) = wild.launch("one").await;
    assert_eq!((status, &refused["code"]), (409, &"cannot-run-here".into()), "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("no administrator has granted"), "{refused}");
    let (status, made) = wild.grant(json!({ "template": "one", "reason": "we built it" })).await;
    assert_eq!((status, &made["template"]), (201, &"one".into()), "{made}");
    wild.runs("one").await;
    assert_eq!(wild.launch("other").await.0, 409, "a grant is for its template alone");
    assert_eq!(wild.grant(json!({ "template": "one", "reason": "again" })).await.0, 409);
    wild.server.delete_all().await;

    let path = format!("/api/v1/catalog/grants/{}", made["id"].as_str().unwrap());
    assert_eq!(wild.server.call("DELETE", &path, None).await.status, 204);
    assert_eq!(wild.launch("one").await.0, 409, "it was taken back");
    assert_eq!(wild.actions().await, ["baseline.revoke", "baseline.grant", "template.install"]);
}

#[actix_web::test]
async fn a_grant_of_a_repository_is_for_what_was_installed_from_it() {
    let wild = Wild::new("grants-repository").await;
    let own = json!({ "name": "own", "displayName": "Own", "baseImage": "i", "webapp": { "port": 80 }, "security": "baseline" });
    assert_eq!(wild.server.call("POST", "/api/v1/templates", Some(own)).await.status, 201);
    let (status, made) = wild.grant(json!({ "repository": wild.repository, "reason": "ours" })).await;
    assert_eq!((status, &made["repositoryName"]), (201, &"wild".into()), "{made}");
    wild.runs("other").await;
    assert_eq!(wild.launch("own").await.0, 409, "it is not of that repository");
    wild.server.delete_all().await;
    let listed = wild.server.call("GET", "/api/v1/catalog/grants", None).await.body;
    assert_eq!((&listed["total"], &listed["items"][0]["reason"]), (&1.into(), &"ours".into()), "{listed}");
    let removed = wild.server.call("DELETE", &format!("/api/v1/catalog/repositories/{}", wild.repository), None).await;
    assert_eq!(removed.status, 204);
    assert_eq!(wild.launch("other").await.0, 409, "the grant goes with the repository");
}

#[actix_web::test]
async fn a_grant_says_for_what_and_why() {
    let server = Server::start("grants-wrong").await;
    let restricted = json!({ "template": "terminal", "reason": "why not" });
    let nothing = json!({ "reason": "why not" });
    let silent = json!({ "template": "terminal", "reason": " " });
    for (wish, field) in [(restricted, "template"), (nothing, "template"), (silent, "reason")] {
        let answer = server.call("POST", "/api/v1/catalog/grants", Some(wish)).await;
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (400, &field.into()), "{answer:?}");
    }
    let unknown = json!({ "template": "nowhere", "reason": "why not" });
    assert_eq!(server.call("POST", "/api/v1/catalog/grants", Some(unknown)).await.status, 404);
}
