//! Table `catalog_repositories`.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::{Row, error::SqlState, types::ToSql};
use uuid::Uuid;

use crate::{Error, domain::catalog::Reference};

/// The columns of [`Repository`].
const COLUMNS: &str = "r.id, r.name, r.url, r.reference_kind, r.reference, r.folder, r.auth_kind, r.auth_user, \
    r.credential, r.host_keys, r.webhook_secret, r.interval_s, r.status, r.commit, r.rules, r.template_count, r.last_error, r.last_sync_at, \
    r.next_sync_at, r.version, r.created_at, r.created_by";

/// A repository.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Where it is, without credentials.
    pub url: String,
    /// Which commit is read.
    pub reference: Reference,
    /// Which folder; empty: all.
    pub folder: String,
    /// `none`, `token`, `basic` or `ssh`.
    pub auth_kind: String,
    /// The user's name for it.
    pub auth_user: Option<String>,
    /// Token, password or private key, sealed.
    pub credential: Option<Vec<u8>>,
    /// The keys of an SSH host, one a line.
    pub host_keys: Option<String>,
    /// Sealed; none: none was made yet.
    pub webhook_secret: Option<Vec<u8>>,
    /// Seconds between syncs; 0: none; `None`: the server's setting.
    pub interval_s: Option<i64>,
    /// `pending`, `syncing`, `synced`, `failed`.
    pub status: String,
    /// What the templates were read from.
    pub commit: Option<String>,
    /// By which rules: the number that the reader of manifests had then.
    pub rules: i32,
    /// Templates that are in it now.
    pub template_count: i32,
    /// Why the latest sync failed.
    pub last_error: Option<String>,
    /// End of the latest sync that went well.
    pub last_sync_at: Option<Timestamp>,
    /// When the next one is due.
    pub next_sync_at: Option<Timestamp>,
    /// Grows with each change of the settings.
    pub version: i64,
    /// When it was added.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

fn repository(row: &Row) -> Result<Repository, Error> {
    Ok(Repository {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        url: row.try_get("url")?,
        reference: Reference::from_parts(row.try_get("reference_kind")?, row.try_get("reference")?),
        folder: row.try_get("folder")?,
        auth_kind: row.try_get("auth_kind")?,
        auth_user: row.try_get("auth_user")?,
        credential: row.try_get("credential")?,
        host_keys: row.try_get("host_keys")?,
        webhook_secret: row.try_get("webhook_secret")?,
        interval_s: row.try_get("interval_s")?,
        status: row.try_get("status")?,
        commit: row.try_get("commit")?,
        rules: row.try_get("rules")?,
        template_count: row.try_get("template_count")?,
        last_error: row.try_get("last_error")?,
        last_sync_at: row.try_get("last_sync_at")?,
        next_sync_at: row.try_get("next_sync_at")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
        created_by: row.try_get("created_by")?,
    })
}

/// A name that is taken is told as such.
fn told(error: tokio_postgres::Error, name: &str) -> Error {
    match error.code() {
        Some(code) if *code == SqlState::UNIQUE_VIOLATION => {
            Error::AlreadyExists { kind: "repository", name: name.to_owned() }
        }
        _ => error.into(),
    }
}

/// A parameter of a statement.
type Value<'a> = &'a (dyn ToSql + Sync);

/// The settings of a repository as parameters 1 to 12, and one of the statement's own.
fn settings<'a>(
    of: &'a Repository,
    url_key: &'a &str,
    reference: &'a (&str, Option<&str>),
    own: Value<'a>,
) -> [Value<'a>; 13] {
    [
        &of.id,
        &of.name,
        &of.url,
        url_key,
        &reference.0,
        &reference.1,
        &of.folder,
        &of.auth_kind,
        &of.auth_user,
        &of.credential,
        &of.host_keys,
        &of.interval_s,
        own,
    ]
}

/// Adds `new`; its state is that of one that was never synced. `url_key`: what webhooks know it by.
pub async fn insert(db: &impl GenericClient, new: &Repository, url_key: &str) -> Result<Repository, Error> {
    let statement = db
        .prepare_cached(&format!(
            "INSERT INTO catalog_repositories AS r (id, name, url, url_key, reference_kind, reference, folder, auth_kind,
                 auth_user, credential, host_keys, interval_s, created_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING {COLUMNS}"
        ))
        .await?;
    let reference = new.reference.parts();
    let values = settings(new, &url_key, &reference, &new.created_by);
    repository(&db.query_one(&statement, &values).await.map_err(|error| told(error, &new.name))?)
}

/// Replaces the settings of a repository that has that version. `None`: it has another, or is gone. Where another place
/// is read from now on, it is as if it had never been synced.
pub async fn replace(db: &impl GenericClient, new: &Repository, url_key: &str) -> Result<Option<Repository>, Error> {
    let statement = db
        .prepare_cached(&format!(
            "UPDATE catalog_repositories r SET name = $2, url = $3, url_key = $4, reference_kind = $5, reference = $6,
                 folder = $7, auth_kind = $8, auth_user = $9, credential = $10, host_keys = $11, interval_s = $12,
                 version = version + 1,
                 next_sync_at = clock_timestamp(),
                 commit = CASE WHEN (url, reference_kind, coalesce(reference, ''), folder) = ($3, $5, coalesce($6, ''), $7)
                               THEN commit END
             WHERE id = $1 AND version = $13 RETURNING {COLUMNS}"
        ))
        .await?;
    let reference = new.reference.parts();
    let values = settings(new, &url_key, &reference, &new.version);
    let row = db.query_opt(&statement, &values).await.map_err(|error| told(error, &new.name))?;
    row.as_ref().map(repository).transpose()
}

/// Adds the repository that comes with the program, where it is missing, and locks it until the transaction ends. It is
/// never synced by the clock, and no webhook knows it.
pub async fn ensure_built_in(db: &impl GenericClient, id: Uuid, name: &str, url: &str) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO catalog_repositories (id, name, url, url_key, reference_kind, folder, auth_kind, interval_s,
                                               created_by)
             VALUES ($1, $2, $3, '', 'default', '', 'none', 0, 'streamspace')
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, url = excluded.url",
        )
        .await?;
    db.execute(&statement, &[&id, &name, &url]).await.map_err(|error| told(error, name))?;
    Ok(())
}

/// The repository of that id.
pub async fn get(db: &impl GenericClient, id: Uuid) -> Result<Option<Repository>, Error> {
    let statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM catalog_repositories r WHERE r.id = $1")).await?;
    db.query_opt(&statement, &[&id]).await?.as_ref().map(repository).transpose()
}

/// Every repository, by name. There are few: each was added by hand.
pub async fn all(db: &impl GenericClient) -> Result<Vec<Repository>, Error> {
    let statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM catalog_repositories r ORDER BY lower(r.name)")).await?;
    db.query(&statement, &[]).await?.iter().map(repository).collect()
}

/// Those that webhooks know by one of `keys`.
pub async fn by_keys(db: &impl GenericClient, keys: &[String]) -> Result<Vec<Repository>, Error> {
    let statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM catalog_repositories r WHERE r.url_key = ANY($1)")).await?;
    db.query(&statement, &[&keys]).await?.iter().map(repository).collect()
}

/// Removes a repository with everything that was found in it.
pub async fn delete(db: &impl GenericClient, id: Uuid) -> Result<bool, Error> {
    Ok(db.execute("DELETE FROM catalog_repositories WHERE id = $1", &[&id]).await? == 1)
}

/// Keeps a sealed webhook secret.
pub async fn set_webhook_secret(db: &impl GenericClient, id: Uuid, sealed: &[u8]) -> Result<bool, Error> {
    let statement = db.prepare_cached("UPDATE catalog_repositories SET webhook_secret = $2 WHERE id = $1").await?;
    Ok(db.execute(&statement, &[&id, &sealed]).await? == 1)
}

/// A sync begins.
pub async fn begin(db: &impl GenericClient, id: Uuid) -> Result<(), Error> {
    let statement = db.prepare_cached("UPDATE catalog_repositories SET status = 'syncing' WHERE id = $1").await?;
    db.execute(&statement, &[&id]).await?;
    Ok(())
}

/// A sync went well: what was read by which rules, and how many templates there are now.
pub async fn synced(db: &impl GenericClient, id: Uuid, commit: &str, rules: i32) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE catalog_repositories SET status = 'synced', commit = $2, rules = $3, last_error = NULL,
                 last_sync_at = clock_timestamp(),
                 template_count = (SELECT count(*) FROM catalog_templates WHERE repository = $1 AND removed_at IS NULL)
             WHERE id = $1",
        )
        .await?;
    db.execute(&statement, &[&id, &commit, &rules]).await?;
    Ok(())
}

/// A sync failed.
pub async fn failed(db: &impl GenericClient, id: Uuid, error: &str) -> Result<(), Error> {
    let statement =
        db.prepare_cached("UPDATE catalog_repositories SET status = 'failed', last_error = $2 WHERE id = $1").await?;
    db.execute(&statement, &[&id, &error]).await?;
    Ok(())
}

/// Locks the row until the transaction ends; false: the repository is gone.
pub async fn lock(db: &impl GenericClient, id: Uuid) -> Result<bool, Error> {
    let statement = db.prepare_cached("SELECT 1 FROM catalog_repositories WHERE id = $1 FOR UPDATE").await?;
    Ok(db.query_opt(&statement, &[&id]).await?.is_some())
}

/// Repositories whose time has come; each is due again after its interval (or `usual_s` seconds), give or take a tenth,
/// so that those which were added together do not stay together.
pub async fn take_due(db: &impl GenericClient, usual_s: i64) -> Result<Vec<Uuid>, Error> {
    let statement = db
        .prepare_cached(
            "UPDATE catalog_repositories r SET next_sync_at = clock_timestamp()
                 + make_interval(secs => coalesce(interval_s, $1) * (0.9 + random() / 5))
             WHERE id IN (SELECT id FROM catalog_repositories
                          WHERE (next_sync_at IS NULL OR next_sync_at <= clock_timestamp())
                            AND coalesce(interval_s, $1) > 0 FOR UPDATE SKIP LOCKED)
             RETURNING id",
        )
        .await?;
    db.query(&statement, &[&usual_s]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Makes those due that are synced by the clock: at the start of a server.
pub async fn all_due(db: &impl GenericClient) -> Result<(), Error> {
    db.execute("UPDATE catalog_repositories SET next_sync_at = NULL", &[]).await?;
    Ok(())
}
