//! Repositories: where templates come from.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;

use super::{builtin, sync};
pub use crate::store::catalog::{deliveries::Delivery, repositories::Repository, syncs::Sync};
use crate::{
    App, Error,
    auth::{
        Caller, encode_secret,
        secret::{Place, random},
    },
    catalog::fetch::SignIn,
    domain::{
        catalog::{self, Reference},
        fields::FieldError,
        jobs::Job,
        outgoing, ssh,
    },
    services::{
        at_version,
        audit::{self, Entry},
    },
    store::catalog::{deliveries, repositories, syncs},
};

/// The user's name that every host takes beside a token.
const TOKEN_USER: &str = "x-token-auth";

/// How to sign in to a repository.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// It is public.
    None,
    /// A token.
    Token(SecretString),
    /// A user and a password.
    Basic(String, SecretString),
    /// A private key, and the keys that the host is known by.
    Ssh(SecretString, String),
}

/// What a repository is to be.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Which commit is read.
    pub reference: Reference,
    /// Which folder.
    pub folder: String,
    /// How to sign in; `None`: as before.
    pub credentials: Option<Credentials>,
    /// Between two syncs; zero: only when asked to; `None`: the server's setting.
    pub interval: Option<Duration>,
}

/// Every repository, by name.
pub async fn list(app: &App) -> Result<Vec<Repository>, Error> {
    repositories::all(&app.pool.get().await?).await
}

/// The repository of that id.
pub async fn get(app: &App, id: &str) -> Result<Repository, Error> {
    let missing = || Error::not_found("repository", id);
    let id = Uuid::parse_str(id).map_err(|_| missing())?;
    repositories::get(&app.pool.get().await?, id).await?.ok_or_else(missing)
}

/// Adds a repository, and has it synced.
pub async fn create(app: &App, caller: &Caller, wish: Wish) -> Result<Repository, Error> {
    let blank = blank(Uuid::now_v7(), &caller.user);
    let (new, key) = compose(app, blank, wish)?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let made = repositories::insert(&transaction, &new, &key).await?;
    sync::enqueue(&transaction, caller, made.id).await?;
    let entry = Entry::new("repository.create", format!("repository/{}", made.id)).after(&shown(&made));
    audit::record(&transaction, caller, entry).await?;
    transaction.commit().await?;
    Ok(made)
}

/// Changes a repository's settings, and has it synced. `if_match`: only if that is still its version.
pub async fn change(
    app: &App,
    caller: &Caller,
    old: Repository,
    wish: Wish,
    if_match: Option<i64>,
) -> Result<Repository, Error> {
    at_version(if_match, old.version)?;
    builtin::refuse(old.id)?;
    let (new, key) = compose(app, old.clone(), wish)?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let changed = repositories::replace(&transaction, &new, &key).await?.ok_or(Error::Stale)?;
    sync::enqueue(&transaction, caller, changed.id).await?;
    let entry =
        Entry::new("repository.change", format!("repository/{}", old.id)).before(&shown(&old)).after(&shown(&changed));
    audit::record(&transaction, caller, entry).await?;
    transaction.commit().await?;
    Ok(changed)
}

/// Removes a repository and its templates from the catalog. What was installed stays.
pub async fn delete(app: &App, caller: &Caller, id: &str) -> Result<(), Error> {
    let old = get(app, id).await?;
    builtin::refuse(old.id)?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    if !repositories::delete(&transaction, old.id).await? {
        return Err(Error::not_found("repository", id));
    }
    let entry = Entry::new("repository.delete", format!("repository/{}", old.id)).before(&shown(&old));
    audit::record(&transaction, caller, entry).await?;
    // It finds that the repository is gone, and removes what was fetched of it.
    sync::enqueue(&transaction, caller, old.id).await?;
    Ok(transaction.commit().await?)
}

/// Has a repository synced.
pub async fn sync(app: &App, caller: &Caller, id: &str) -> Result<Job, Error> {
    let repository = get(app, id).await?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let job = sync::enqueue(&transaction, caller, repository.id).await?;
    transaction.commit().await?;
    Ok(job)
}

/// Has every repository synced.
pub async fn sync_all(app: &App, caller: &Caller) -> Result<Vec<Job>, Error> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let mut jobs = Vec::new();
    for repository in repositories::all(&transaction).await? {
        jobs.push(sync::enqueue(&transaction, caller, repository.id).await?);
    }
    transaction.commit().await?;
    Ok(jobs)
}

/// What syncs of a repository found or why they failed, the latest first.
pub async fn history(app: &App, id: &str) -> Result<Vec<Sync>, Error> {
    let repository = get(app, id).await?;
    syncs::list(&app.pool.get().await?, repository.id).await
}

/// The webhooks that came for a repository, the latest first.
pub async fn deliveries(app: &App, id: &str) -> Result<Vec<Delivery>, Error> {
    let repository = get(app, id).await?;
    deliveries::list(&app.pool.get().await?, repository.id).await
}

/// Makes a new webhook secret; the one before is good no longer. It is told this once.
pub async fn renew_webhook_secret(app: &App, caller: &Caller, id: &str) -> Result<SecretString, Error> {
    let repository = get(app, id).await?;
    builtin::refuse(repository.id)?;
    let secret = encode_secret(&random());
    let sealed =
        app.auth.secrets.seal(webhook_place(&repository.id.to_string()), secret.as_bytes()).map_err(Error::internal)?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    if !repositories::set_webhook_secret(&transaction, repository.id, &sealed).await? {
        return Err(Error::not_found("repository", id));
    }
    let entry = Entry::new("repository.webhook-secret", format!("repository/{}", repository.id));
    audit::record(&transaction, caller, entry).await?;
    transaction.commit().await?;
    Ok(secret.into())
}

/// Where a repository's webhook secret lies.
pub fn webhook_place(row: &str) -> Place<'_> {
    Place { table: "catalog_repositories", column: "webhook_secret", row }
}

fn credential_place(row: &str) -> Place<'_> {
    Place { table: "catalog_repositories", column: "credential", row }
}

/// How to sign in to a repository, with its secret opened.
pub fn open_credentials(app: &App, repository: &Repository) -> Result<SignIn, Error> {
    let Some(sealed) = &repository.credential else { return Ok(SignIn::Nothing) };
    let row = repository.id.to_string();
    let open =
        app.auth.secrets.open(credential_place(&row), sealed).map_err(|error| Error::Conflict(error.to_string()))?;
    let secret = String::from_utf8(open.expose_secret().to_vec()).map_err(Error::internal)?;
    Ok(match repository.host_keys.clone() {
        Some(host_keys) => SignIn::Key { private_key: secret, host_keys },
        None => {
            let user = repository.auth_user.clone().unwrap_or_else(|| TOKEN_USER.to_owned());
            SignIn::Password { user, secret }
        }
    })
}

fn blank(id: Uuid, by: &str) -> Repository {
    Repository {
        id,
        name: String::new(),
        url: String::new(),
        reference: Reference::Default,
        folder: String::new(),
        auth_kind: "none".into(),
        auth_user: None,
        credential: None,
        host_keys: None,
        webhook_secret: None,
        interval_s: None,
        status: "pending".into(),
        commit: None,
        rules: 0,
        template_count: 0,
        last_error: None,
        last_sync_at: None,
        next_sync_at: None,
        version: 1,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        created_by: by.to_owned(),
    }
}

/// `old` as `wish` wants it, and what webhooks know it by.
fn compose(app: &App, old: Repository, wish: Wish) -> Result<(Repository, String), Error> {
    let mut wrong: Vec<FieldError> = catalog::check_name(&wish.name).err().into_iter().collect();
    let exceptions = app.config.catalog.exceptions().map_err(Error::internal)?;
    let url = match outgoing::check(&wish.url, &exceptions) {
        Ok(url) => url.to_string(),
        Err(message) => {
            wrong.push(FieldError::new("url", message));
            String::new()
        }
    };
    let key = catalog::same_repository(&url);
    if wrong.is_empty() && key.is_none() {
        wrong.push(FieldError::new("url", "it names a host and no repository: write https://host/path"));
    }
    let folder = catalog::folder(&wish.folder).map_err(|error| wrong.push(error)).unwrap_or_default();
    if let Some(Err(error)) = wish.interval.map(catalog::check_interval) {
        wrong.push(error);
    }
    // A secret is for the host it was given for.
    let moved = place(&old.url) != place(&url);
    if old.credential.is_some() && moved && wish.credentials.is_none() {
        wrong.push(FieldError::new("auth", "the repository is on another host now: give its credentials again"));
    }
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong));
    }
    let mut new = Repository {
        name: wish.name.trim().to_owned(),
        url,
        reference: wish.reference,
        folder,
        interval_s: wish.interval.map(|interval| i64::try_from(interval.as_secs()).unwrap_or(i64::MAX)),
        ..old
    };
    if let Some(credentials) = wish.credentials {
        seal(app, &mut new, credentials)?;
    }
    check_way(&new).map_err(|error| Error::Invalid(vec![error]))?;
    Ok((new, key.unwrap_or_default()))
}

/// Scheme, host and port of a URL.
fn place(url: &str) -> Option<(String, String, u16)> {
    let url = url::Url::parse(url).ok()?;
    Some((url.scheme().to_owned(), url.host_str()?.to_owned(), outgoing::port(&url)))
}

/// Whether one can sign in to that URL in that way.
fn check_way(repository: &Repository) -> Result<(), FieldError> {
    match (repository.url.starts_with("ssh:"), repository.auth_kind == "ssh") {
        (true, false) => Err(FieldError::new(
            "auth",
            "over SSH a key signs in: give {\"type\": \"ssh\", \"privateKey\": …, \"hostKey\": …}",
        )),
        (false, true) => {
            Err(FieldError::new("auth", "a key signs in over SSH only: write the URL as ssh://git@host/path"))
        }
        _ => Ok(()),
    }
}

fn seal(app: &App, repository: &mut Repository, credentials: Credentials) -> Result<(), Error> {
    let wrong = |error| Error::Invalid(vec![error]);
    let (kind, user, secret, host_keys) = match credentials {
        Credentials::None => ("none", None, None, None),
        Credentials::Token(token) => ("token", None, Some(token), None),
        Credentials::Basic(user, password) => ("basic", Some(user), Some(password), None),
        Credentials::Ssh(key, host) => {
            let key = ssh::private_key(key.expose_secret()).map_err(wrong)?;
            ("ssh", None, Some(key.into()), Some(ssh::host_keys(&host).map_err(wrong)?))
        }
    };
    let row = repository.id.to_string();
    let sealed = secret.map(|secret| app.auth.secrets.seal(credential_place(&row), secret.expose_secret().as_bytes()));
    repository.credential = sealed.transpose().map_err(Error::internal)?;
    repository.host_keys = host_keys;
    kind.clone_into(&mut repository.auth_kind);
    repository.auth_user = user;
    Ok(())
}

/// What the audit keeps: no secret.
fn shown(repository: &Repository) -> serde_json::Value {
    let (kind, reference) = repository.reference.parts();
    json!({
        "name": repository.name, "url": repository.url, "reference": { "kind": kind, "name": reference },
        "path": repository.folder, "signIn": repository.auth_kind, "intervalSeconds": repository.interval_s,
    })
}
