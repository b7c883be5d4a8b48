//! Syncs: a repository's templates are brought in step with the catalog, all of them or none.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    apply::{Read, apply, read},
    builtin,
    repositories::open_credentials,
};
use crate::{
    App, Error,
    auth::Caller,
    catalog::{
        fetch::{self, FetchError, Fetched, Limits, Request},
        manifest::{Level, RULES},
    },
    domain::jobs::Job,
    jobs::{self, Done, Failure, Handler, New, Run},
    store::catalog::{
        repositories::{self, Repository},
        syncs::{self, Known, Sync},
    },
};

/// The type of job.
const KIND: &str = "catalog.sync";

/// What a sync is given.
#[derive(Debug, Deserialize, Serialize)]
struct Payload {
    repository: Uuid,
}

fn job(repository: Uuid) -> New {
    New {
        payload: json!({ "repository": repository }),
        collapsible: true,
        ..jobs::new(KIND, format!("repository/{repository}"))
    }
}

/// Has `repository` synced because `caller` wants it; one that waits already is as good.
pub async fn enqueue(db: &impl GenericClient, caller: &Caller, repository: Uuid) -> Result<Job, Error> {
    let by = Some(caller.user.clone());
    let new = New { created_by: by, correlation_id: caller.request_id.clone(), ..job(repository) };
    Ok(jobs::enqueue(db, &new).await?.0)
}

/// Has `repository` synced because somebody pushed to it or its time has come.
pub async fn enqueue_by_clock(db: &impl GenericClient, repository: Uuid) -> Result<Job, Error> {
    Ok(jobs::enqueue(db, &job(repository)).await?.0)
}

/// Does syncs.
#[derive(Debug)]
pub struct Syncs {
    /// What the server is wired to.
    pub app: App,
    /// This very program, which fetches in a process of its own.
    pub program: PathBuf,
    /// The folder of the caches.
    pub caches: PathBuf,
}

#[async_trait]
impl Handler for Syncs {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn limit(&self) -> Duration {
        // Beside the fetch, the manifests are read and written.
        self.app.config.catalog.sync_timeout + Duration::from_mins(2)
    }

    async fn run(&self, run: &Run) -> Result<Done, Failure> {
        let id = run.payload::<Payload>()?.repository;
        if id == builtin::ID {
            builtin::bring(&self.app).await?;
            return Ok(Done::With(json!({ "builtIn": true })));
        }
        let db = self.app.pool.get().await.map_err(Error::from)?;
        let Some(repository) = repositories::get(&db, id).await? else {
            self.forget(id);
            run.info("the repository was removed: its cache goes too");
            return Ok(Done::With(json!({ "removed": true })));
        };
        repositories::begin(&db, id).await?;
        drop(db);
        let began = self.app.clock.now();
        let stopping = run.stopping();
        let synced = tokio::select! {
            synced = self.sync(run, &repository, began) => synced,
            () = stopping.cancelled() => Err(Failure::Stopped),
        };
        if let Err(failure) = &synced {
            self.tell_failure(run, &repository, began, failure).await?;
        }
        synced
    }
}

impl Syncs {
    fn cache(&self, id: Uuid) -> PathBuf {
        self.caches.join(format!("{id}.git"))
    }

    fn forget(&self, id: Uuid) {
        if let Err(error) = std::fs::remove_dir_all(self.cache(id))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(repository.id = %id, error = %error, "the cache of a repository could not be removed");
        }
    }

    async fn sync(&self, run: &Run, repository: &Repository, began: Timestamp) -> Result<Done, Failure> {
        let known = if repository.rules == RULES {
            syncs::files(&self.app.pool.get().await.map_err(Error::from)?, repository.id).await?
        } else {
            BTreeMap::new()
        };
        let fetched = self.fetch(run, repository, &known).await?;
        if fetched.unchanged {
            run.info(format!("nothing is new since {}", fetched.commit));
            return self.unchanged(run, repository, &fetched.commit).await;
        }
        run.progress(0, Some(fetched.files.len() as u64), "reading manifests");
        let commit = fetched.commit.clone();
        let read = tokio::task::spawn_blocking(move || read(fetched, &known)).await.map_err(Error::internal)?;
        self.keep(run, repository, &commit, read, began).await
    }

    async fn fetch(
        &self,
        run: &Run,
        repository: &Repository,
        known: &BTreeMap<String, Known>,
    ) -> Result<Fetched, Failure> {
        let settings = &self.app.config.catalog;
        let exceptions = settings.exceptions().map_err(Error::internal)?;
        // The rules may be stricter by now than when it was added.
        if let Err(why) = crate::domain::outgoing::check(&repository.url, &exceptions) {
            return Err(Failure::Final(why));
        }
        std::fs::create_dir_all(&self.caches)
            .map_err(|error| Failure::Again(format!("no folder for the cache: {error}")))?;
        let request = Request {
            url: repository.url.clone(),
            reference: repository.reference.clone(),
            folder: repository.folder.clone(),
            cache: self.cache(repository.id),
            sign_in: open_credentials(&self.app, repository)?,
            exceptions: exceptions.texts(),
            head: repository.commit.clone().filter(|_| repository.rules == RULES),
            known: known.iter().map(|(path, known)| format!("{} {path}", known.blob)).collect(),
            limits: Limits::of_bytes(settings.sync_max_bytes),
        };
        run.info(format!("fetching {}", repository.url));
        let progress = |done, total, message: &str| run.progress(done, Some(total), message);
        fetch::fetch(&self.program, &request, settings.sync_timeout, progress).await.map_err(
            |FetchError { message, again }| if again { Failure::Again(message) } else { Failure::Final(message) },
        )
    }

    async fn unchanged(&self, run: &Run, repository: &Repository, commit: &str) -> Result<Done, Failure> {
        let mut client = self.app.pool.get().await.map_err(Error::from)?;
        let transaction = client.transaction().await.map_err(Error::from)?;
        repositories::synced(&transaction, repository.id, commit, RULES).await?;
        run.complete(&transaction, json!({ "commit": commit, "unchanged": true })).await?;
        transaction.commit().await.map_err(Error::from)?;
        Ok(Done::Written)
    }

    /// Writes everything that was read in one transaction, with the end of the job.
    async fn keep(
        &self,
        run: &Run,
        repository: &Repository,
        commit: &str,
        read: Read,
        began: Timestamp,
    ) -> Result<Done, Failure> {
        let mut client = self.app.pool.get().await.map_err(Error::from)?;
        let transaction = client.transaction().await.map_err(Error::from)?;
        if !repositories::lock(&transaction, repository.id).await? {
            return Err(Failure::Final("the repository was removed meanwhile".into()));
        }
        let counts = apply(&transaction, repository.id, commit, &read).await?;
        let problems = read.problems;
        let sync = Sync {
            commit: Some(commit.to_owned()),
            added: counts.added,
            changed: counts.changed,
            removed: counts.removed,
            problems: serde_json::to_value(&problems).map_err(Error::internal)?,
            ..blank(repository.id, run, "synced", began)
        };
        syncs::insert(&transaction, &sync).await?;
        for problem in problems.iter().filter(|problem| problem.level != Level::Skipped).take(100) {
            run.warning(format!("{}:{}:{}: {}", problem.file, problem.line, problem.column, problem.message));
        }
        run.info(format!("{} added, {} changed, {} removed at {commit}", counts.added, counts.changed, counts.removed));
        let result = json!({
            "commit": commit, "added": counts.added, "changed": counts.changed, "removed": counts.removed,
            "problems": problems.len(),
        });
        run.complete(&transaction, result).await?;
        transaction.commit().await.map_err(Error::from)?;
        Ok(Done::Written)
    }

    /// Keeps why a sync failed, where people look for it.
    async fn tell_failure(
        &self,
        run: &Run,
        repository: &Repository,
        began: Timestamp,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let why = match failure {
            Failure::Again(why) | Failure::Final(why) => why.clone(),
            Failure::Stopped => "it was stopped before its end".into(),
        };
        run.error(&why);
        let mut client = self.app.pool.get().await.map_err(Error::from)?;
        let transaction = client.transaction().await.map_err(Error::from)?;
        run.guard(&transaction).await?;
        repositories::failed(&transaction, repository.id, &why).await?;
        let sync = Sync { error: Some(why), ..blank(repository.id, run, "failed", began) };
        syncs::insert(&transaction, &sync).await?;
        transaction.commit().await.map_err(Error::from)?;
        Ok(())
    }
}

fn blank(repository: Uuid, run: &Run, result: &str, began: Timestamp) -> Sync {
    Sync {
        id: Uuid::now_v7(),
        repository,
        job: run.job().id.clone(),
        result: result.into(),
        commit: None,
        added: 0,
        changed: 0,
        removed: 0,
        error: None,
        problems: json!([]),
        began_at: began,
        ended_at: began,
    }
}
