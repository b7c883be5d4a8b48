//! A server with a catalog, a worker that syncs, and a repository to sync from.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use streamspace::{auth::Role, jobs, services::catalog::sync::Syncs, store::Listener, telemetry::task::Tasks};
use tokio_util::sync::CancellationToken;

use crate::{
    git::{Manners, Repo, Server},
    support::{
        app::TestApp,
        client::{Answer, Client},
        until::within,
    },
};

/// Longest wait for anything here.
const WITHIN: Duration = Duration::from_secs(40);

pub struct World {
    pub app: TestApp,
    pub admin: Client,
    pub repo: Repo,
    pub git: Server,
    folder: tempfile::TempDir,
    _tasks: Tasks,
}

/// A manifest of that name.
pub fn manifest(name: &str, display: &str) -> String {
    format!(
        "apiVersion: stream.streamspace.io/v1alpha1\nkind: Template\nmetadata: {{ name: {name} }}\nspec:\n  displayName: {display}\n  description: A tool for testing\n  category: Tools\n  tags: [testing]\n  baseImage: example.com/{name}:1\n  webapp: {{ port: 80 }}\n"
    )
}

fn script(here: &Path, lines: &str) -> PathBuf {
    let (path, program) = (here.join("fetch"), env!("CARGO_BIN_EXE_streamspace"));
    fs::write(&path, format!("#!/bin/sh\nPROGRAM={program}\nHERE={}\n{lines}\n", here.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

impl World {
    pub async fn new() -> Self {
        Self::with(Manners::default(), &[]).await
    }

    pub async fn with(manners: Manners, arguments: &[&str]) -> Self {
        Self::fetching_by("exec \"$PROGRAM\" \"$@\"", manners, arguments).await
    }

    /// A world whose fetches are begun by these lines of a shell script, which know `$PROGRAM` and a folder `$HERE`, the
    /// place of the caches.
    pub async fn fetching_by(lines: &str, manners: Manners, arguments: &[&str]) -> Self {
        let repo = Repo::new();
        let git = Server::start(repo.served(), manners).await;
        // Given twice, only the last would count.
        let (more, arguments): (Vec<&str>, Vec<&str>) =
            arguments.iter().partition(|argument| argument.starts_with("--catalog-allow="));
        let more = more.iter().filter_map(|argument| argument.strip_prefix("--catalog-allow=")).collect::<Vec<_>>();
        let allow = format!("--catalog-allow={},{}", git.root(), more.join(","));
        let arguments: Vec<&str> = [allow.as_str()].into_iter().chain(arguments).collect();
        let app = TestApp::with(&arguments).await;
        let mut tasks = Tasks::new(CancellationToken::new());
        let listener = Listener::start(app.connector(), &mut tasks);
        let folder = tempfile::tempdir().unwrap();
        let program = script(folder.path(), lines);
        let syncs = Syncs { app: app.app.clone(), program, caches: folder.path().join("git") };
        let options = jobs::Options {
            first_pause: Duration::from_millis(20),
            poll_every: Duration::from_millis(100),
            ..jobs::Options::default()
        };
        let clock = Arc::clone(&app.app.clock);
        jobs::start(app.app.pool.clone(), &listener, clock, vec![Arc::new(syncs)], options, &mut tasks);
        let admin = app.person("ada", &[Role::Admin]).await;
        Self { app, admin, repo, git, folder, _tasks: tasks }
    }

    /// The folder `$HERE`.
    pub fn here(&self) -> &Path {
        self.folder.path()
    }

    /// Adds the repository; answers its id once its first sync has ended.
    pub async fn add(&self, more: Value) -> String {
        let made = self.try_add(&self.git.url(), more).await;
        assert_eq!(made.status, 201, "{made:?}");
        let id = made.json()["id"].as_str().unwrap().to_owned();
        self.until_synced(&id).await;
        id
    }

    pub async fn try_add(&self, url: &str, more: Value) -> Answer {
        let mut body = json!({ "name": "catalog", "url": url });
        for (field, value) in more.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        self.admin.post("/api/v1/catalog/repositories", body).await
    }

    /// Waits for the end of every sync; answers the repository.
    pub async fn until_synced(&self, id: &str) -> Value {
        within(WITHIN, "no sync goes on", async || {
            let jobs = self.admin.get("/api/v1/jobs?status=PENDING,RUNNING").await.json();
            (jobs["total"] == 0).then_some(())
        })
        .await;
        self.repository(id).await
    }

    pub async fn repository(&self, id: &str) -> Value {
        self.admin.get(&format!("/api/v1/catalog/repositories/{id}")).await.json()
    }

    /// Has it synced again, and answers it.
    pub async fn sync(&self, id: &str) -> Value {
        let asked = self.admin.post(&format!("/api/v1/catalog/repositories/{id}/sync"), json!({})).await;
        assert_eq!(asked.status, 202, "{asked:?}");
        self.until_synced(id).await
    }

    /// The latest sync of a repository.
    pub async fn latest(&self, id: &str) -> Value {
        self.admin.get(&format!("/api/v1/catalog/repositories/{id}/syncs")).await.json()["items"][0].clone()
    }

    /// The names of the catalog's templates.
    pub async fn names(&self, query: &str) -> Vec<String> {
        let list = self.admin.get(&format!("/api/v1/catalog/templates?{query}")).await;
        assert_eq!(list.status, 200, "{list:?}");
        list.json()["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The id of the catalog's template of that name.
    pub async fn template(&self, name: &str) -> String {
        let list = self.admin.get("/api/v1/catalog/templates").await.json();
        let item = list["items"].as_array().unwrap().iter().find(|item| item["name"] == name).expect("the template");
        item["id"].as_str().unwrap().to_owned()
    }
}
