//! Tables `catalog_syncs` and `catalog_files`.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::types::{Json, ToSql};
use uuid::Uuid;

use crate::Error;

/// Syncs of a repository that are kept.
const KEPT: i64 = 100;

/// A sync that found something new, or failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Sync {
    /// Its id.
    pub id: Uuid,
    /// Of which repository.
    pub repository: Uuid,
    /// The job that it was.
    pub job: String,
    /// `synced` or `failed`.
    pub result: String,
    /// What was read.
    pub commit: Option<String>,
    /// Templates that are new.
    pub added: i32,
    /// Templates that are otherwise.
    pub changed: i32,
    /// Templates that are gone.
    pub removed: i32,
    /// Why it failed.
    pub error: Option<String>,
    /// What is wrong with files: a list of problems.
    pub problems: Value,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// Writes a sync down, and forgets the oldest of its repository. Its end is now.
pub async fn insert(db: &impl GenericClient, sync: &Sync) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO catalog_syncs (id, repository, job, result, commit, added, changed, removed, error, problems, began_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
             WHERE EXISTS (SELECT 1 FROM catalog_repositories WHERE id = $2)",
        )
        .await?;
    let Sync { id, repository, job, result, commit, added, changed, removed, error, problems, began_at, .. } = sync;
    let values: [&(dyn ToSql + std::marker::Sync); 11] =
        [id, repository, job, result, commit, added, changed, removed, error, problems, began_at];
    db.execute(&statement, &values).await?;
    let forget = db
        .prepare_cached(
            "DELETE FROM catalog_syncs WHERE id IN (SELECT id FROM catalog_syncs WHERE repository = $1
             ORDER BY ended_at DESC OFFSET $2)",
        )
        .await?;
    db.execute(&forget, &[repository, &KEPT]).await?;
    Ok(())
}

/// The syncs of a repository, the latest first.
pub async fn list(db: &impl GenericClient, repository: Uuid) -> Result<Vec<Sync>, Error> {
    let statement = db
        .prepare_cached("SELECT * FROM catalog_syncs WHERE repository = $1 ORDER BY ended_at DESC, id LIMIT $2")
        .await?;
    let rows = db.query(&statement, &[&repository, &KEPT]).await?;
    rows.iter()
        .map(|row| {
            Ok(Sync {
                id: row.try_get("id")?,
                repository: row.try_get("repository")?,
                job: row.try_get("job")?,
                result: row.try_get("result")?,
                commit: row.try_get("commit")?,
                added: row.try_get("added")?,
                changed: row.try_get("changed")?,
                removed: row.try_get("removed")?,
                error: row.try_get("error")?,
                problems: row.try_get("problems")?,
                began_at: row.try_get("began_at")?,
                ended_at: row.try_get("ended_at")?,
            })
        })
        .collect()
}

/// A file as it was read last.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The id of its content.
    pub blob: String,
    /// Templates that come from it.
    pub names: Vec<String>,
    /// What is wrong with it: a list of problems.
    pub problems: Value,
    /// Of a README its Markdown.
    pub text: Option<String>,
}

/// The files of a repository, by path.
pub async fn files(db: &impl GenericClient, repository: Uuid) -> Result<BTreeMap<String, Known>, Error> {
    let statement =
        db.prepare_cached("SELECT path, blob, names, problems, text FROM catalog_files WHERE repository = $1").await?;
    let rows = db.query(&statement, &[&repository]).await?;
    rows.iter()
        .map(|row| {
            let known = Known {
                blob: row.try_get("blob")?,
                names: row.try_get("names")?,
                problems: row.try_get("problems")?,
                text: row.try_get("text")?,
            };
            Ok((row.try_get("path")?, known))
        })
        .collect()
}

/// Replaces what is known of the files of a repository.
pub async fn replace_files(
    db: &impl GenericClient,
    repository: Uuid,
    files: &BTreeMap<String, Known>,
) -> Result<(), Error> {
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    let gone = db.prepare_cached("DELETE FROM catalog_files WHERE repository = $1 AND path <> ALL($2)").await?;
    db.execute(&gone, &[&repository, &paths]).await?;
    let write = db
        .prepare_cached(
            "INSERT INTO catalog_files AS f (repository, path, blob, names, problems, text)
             SELECT $1, n.path, n.blob, ARRAY(SELECT json_array_elements_text(n.names)), n.problems, n.text
             FROM unnest($2::text[], $3::text[], $4::json[], $5::json[], $6::text[])
                 AS n (path, blob, names, problems, text)
             ON CONFLICT (repository, path) DO UPDATE SET blob = excluded.blob, names = excluded.names,
                 problems = excluded.problems, text = excluded.text
             WHERE (f.blob, f.names, f.problems::text, f.text)
                IS DISTINCT FROM (excluded.blob, excluded.names, excluded.problems::text, excluded.text)",
        )
        .await?;
    let blobs: Vec<&str> = files.values().map(|it| it.blob.as_str()).collect();
    let names: Vec<Json<&[String]>> = files.values().map(|it| Json(it.names.as_slice())).collect();
    let problems: Vec<Json<&Value>> = files.values().map(|it| Json(&it.problems)).collect();
    let texts: Vec<Option<&str>> = files.values().map(|it| it.text.as_deref()).collect();
    db.execute(&write, &[&repository, &paths, &blobs, &names, &problems, &texts]).await?;
    Ok(())
}

/// The README that belongs to the manifest at `path`: the one of its own name, or that of its folder where no other
/// manifest lies there.
pub async fn readme(db: &impl GenericClient, repository: Uuid, path: &str) -> Result<Option<String>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT text FROM catalog_files WHERE repository = $1 AND path = ANY($2) AND text IS NOT NULL
             ORDER BY array_position($2, path) LIMIT 1",
        )
        .await?;
    let row = db.query_opt(&statement, &[&repository, &readme_paths(path)]).await?;
    row.map(|row| row.try_get(0)).transpose().map_err(Error::from)
}

/// Where the README of the manifest at `path` may lie, the nearest first. That of a folder is told only where it holds
/// one manifest.
fn readme_paths(path: &str) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let own = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let below = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    [&format!("{own}.md"), "README.md", "readme.md", "Readme.md"].map(below).into()
}
