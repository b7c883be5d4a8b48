//! Syncs: a repository's templates are brought in step with the catalog, all of them or none.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::repositories::open_credentials;
use crate::{
    App, Error,
    auth::Caller,
    catalog::{
        fetch::{self, FetchError, Fetched, Limits, Request},
        manifest::{self, Found, Level, Problem, RULES},
    },
    domain::jobs::Job,
    jobs::{self, Done, Failure, Handler, New, Run},
    store::catalog::{
        repositories::{self, Repository},
        syncs::{self, Known, Sync},
        templates::{self, Change, Entry},
    },
};

/// The type of job.
const KIND: &str = "catalog.sync";
/// Most problems that are kept of a sync.
const PROBLEMS_MAX: usize = 1_000;

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
        self.apply(run, repository, &commit, read, began).await
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
            limits: Limits { bytes: settings.sync_max_bytes, ..Limits::default() },
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
    async fn apply(
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
        let Read { files, found, problems } = read;
        let counts = write(&transaction, repository.id, commit, &files, &found).await?;
        syncs::replace_files(&transaction, repository.id, &files).await?;
        repositories::synced(&transaction, repository.id, commit, RULES).await?;
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

/// What was read of a repository.
struct Read {
    /// Every manifest, by path.
    files: BTreeMap<String, Known>,
    /// The templates of those that were read now, with their file.
    found: Vec<(String, Found)>,
    /// What is wrong with any of them, and what is left out.
    problems: Vec<Problem>,
}

/// Reads what came; what is known is taken as it was.
fn read(fetched: Fetched, known: &BTreeMap<String, Known>) -> Read {
    let mut files: BTreeMap<String, Known> = BTreeMap::new();
    let mut found: Vec<(String, Found)> = Vec::new();
    for file in fetched.files {
        let before = known.get(&file.path);
        let Some(content) = file.content else {
            files.extend(before.map(|known| (file.path, known.clone())));
            continue;
        };
        let reading = manifest::read(&file.path, &content);
        let mut names: Vec<String> = reading.found.iter().map(|found| found.name.clone()).collect();
        if reading.is_broken() {
            // What came from it last stays as it was.
            names.extend(before.into_iter().flat_map(|known| known.names.clone()));
        }
        let notes = reading.found.iter().flat_map(|found| found.notes.clone());
        let problems: Vec<Problem> = reading.problems.iter().cloned().chain(notes).collect();
        let problems = serde_json::to_value(&problems).unwrap_or_default();
        found.extend(reading.found.into_iter().map(|found| (file.path.clone(), found)));
        files.insert(file.path, Known { blob: file.blob, names, problems });
    }
    only_one_of_a_name(&mut files, &mut found);
    let mut problems: Vec<Problem> = fetched.left.into_iter().map(|(file, reason)| left(file, reason)).collect();
    for known in files.values() {
        problems.extend(serde_json::from_value::<Vec<Problem>>(known.problems.clone()).unwrap_or_default());
    }
    problems.truncate(PROBLEMS_MAX);
    Read { files, found, problems }
}

fn left(file: String, reason: String) -> Problem {
    Problem { file, line: 1, column: 1, level: Level::Skipped, message: reason }
}

/// Of several templates of one name in a repository the first file's is taken. The others are read again each time,
/// since theirs is the next one's turn when the first goes.
fn only_one_of_a_name(files: &mut BTreeMap<String, Known>, found: &mut Vec<(String, Found)>) {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for (path, known) in files.iter() {
        for name in &known.names {
            first.entry(name.clone()).or_insert_with(|| path.clone());
        }
    }
    found.retain(|(path, found)| {
        let other = first.get(&found.name).filter(|other| *other != path);
        let Some(other) = other else { return true };
        if let Some(known) = files.get_mut(path) {
            let message = format!("{other} has a template named {} too: give this one another name", found.name);
            let problem = Problem { file: path.clone(), line: 1, column: 1, level: Level::Error, message };
            if let (Value::Array(problems), Ok(problem)) = (&mut known.problems, serde_json::to_value(problem)) {
                problems.push(problem);
            }
            known.names.retain(|name| *name != found.name);
            known.blob = String::new();
        }
        false
    });
}

#[derive(Debug, Default)]
struct Counts {
    added: i32,
    changed: i32,
    removed: i32,
}

/// Writes the templates that are new, changed, moved or gone.
async fn write(
    db: &impl GenericClient,
    repository: Uuid,
    commit: &str,
    files: &BTreeMap<String, Known>,
    found: &[(String, Found)],
) -> Result<Counts, Error> {
    let before: BTreeMap<String, Entry> =
        templates::of_repository(db, repository).await?.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    let mut counts = Counts::default();
    for (path, found) in found {
        let old = before.get(&found.name);
        if let Some(old) = old {
            let same =
                templates::version_of(db, old.version).await?.is_some_and(|version| version.manifest == found.text);
            if same {
                templates::found_again(db, old.id, path).await?;
                counts.added += i32::from(old.removed_at.is_some());
                continue;
            }
        }
        write_one(db, repository, commit, path, found).await?;
        if old.is_some_and(|old| old.removed_at.is_none()) {
            counts.changed += 1;
        } else {
            counts.added += 1;
        }
    }
    let there: BTreeSet<&String> = files.values().flat_map(|known| &known.names).collect();
    let gone: Vec<Uuid> = before
        .values()
        .filter(|entry| entry.removed_at.is_none() && !there.contains(&entry.name))
        .map(|entry| entry.id)
        .collect();
    templates::gone(db, &gone).await?;
    counts.removed = i32::try_from(gone.len()).unwrap_or(i32::MAX);
    Ok(counts)
}

async fn write_one(
    db: &impl GenericClient,
    repository: Uuid,
    commit: &str,
    path: &str,
    found: &Found,
) -> Result<(), Error> {
    let spec = serde_json::to_value(&found.spec).map_err(Error::internal)?;
    let notes = serde_json::to_value(&found.notes).map_err(Error::internal)?;
    let change = Change {
        repository,
        name: &found.name,
        path,
        commit,
        manifest: &found.text,
        spec: &spec,
        notes: &notes,
        display_name: &found.spec.display_name,
        description: &found.spec.description,
        category: &found.spec.category,
        tags: &found.spec.tags,
        icon: found.spec.icon.as_deref(),
    };
    templates::write(db, &change).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fetch::File;

    fn manifest(name: &str) -> Option<Vec<u8>> {
        let text = format!(
            "apiVersion: stream.streamspace.io/v1alpha1\nkind: Template\nmetadata: {{ name: {name} }}\nspec: {{ displayName: T, baseImage: i, webapp: {{ port: 80 }} }}\n"
        );
        Some(text.into_bytes())
    }

    fn fetched(files: Vec<(&str, &str, Option<Vec<u8>>)>) -> Fetched {
        let files =
            files.into_iter().map(|(path, blob, content)| File { path: path.into(), blob: blob.into(), content });
        Fetched { commit: "c".into(), files: files.collect(), ..Fetched::default() }
    }

    #[test]
    fn a_broken_file_keeps_the_templates_that_came_from_it_last() {
        let known = Known { blob: "1".into(), names: vec!["a".into()], problems: json!([]) };
        let read =
            read(fetched(vec![("a.yaml", "2", Some(b"a: [".to_vec()))]), &BTreeMap::from([("a.yaml".into(), known)]));
        assert_eq!(read.files["a.yaml"].names, ["a"]);
        assert_eq!((read.found.len(), read.problems.len()), (0, 1));
    }

    #[test]
    fn what_is_known_is_not_read_again_and_its_problems_stay() {
        let problem = left("a.yaml".into(), "x".into());
        let known = Known { blob: "1".into(), names: vec!["a".into()], problems: json!([problem]) };
        let read = read(fetched(vec![("a.yaml", "1", None)]), &BTreeMap::from([("a.yaml".into(), known)]));
        assert_eq!((read.files["a.yaml"].names.len(), read.found.len(), read.problems), (1, 0, vec![problem]));
    }

    #[test]
    fn of_two_templates_of_one_name_the_first_is_taken_and_the_other_is_told() {
        let read =
            read(fetched(vec![("b.yaml", "2", manifest("x")), ("a.yaml", "1", manifest("x"))]), &BTreeMap::new());
        assert_eq!(read.found.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["a.yaml"]);
        assert!(
            read.problems[0].file == "b.yaml" && read.problems[0].message.contains("a.yaml"),
            "{:?}",
            read.problems
        );
        assert_eq!(read.files["b.yaml"].blob, "", "it is read again next time");
    }
}
