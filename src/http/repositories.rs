//! `/api/v1/catalog/repositories`.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::Body,
    etag::{self, IfMatch},
    guard::Guarded,
    jobs::accepted,
    list::{Column, ListQuery, Page},
    told::Told,
};
use crate::{
    App, Error,
    auth::permission::needs::{CatalogRepositories, CatalogSync, CatalogWrite},
    domain::{catalog::Reference, duration, jobs::Job, merge},
    services::catalog::{
        builtin,
        repositories::{self, Credentials, Delivery, Repository, Sync, Wish},
    },
};

/// What a list of repositories can be sorted by.
const COLUMNS: &[Column<RepositoryView>] = &[
    Column { name: "name", compare: |a, b| a.name.to_lowercase().cmp(&b.name.to_lowercase()) },
    Column { name: "status", compare: |a, b| a.status.cmp(&b.status) },
    Column { name: "lastSyncAt", compare: |a, b| a.last_sync_at.cmp(&b.last_sync_at) },
    Column { name: "createdAt", compare: |a, b| a.created_at.cmp(&b.created_at) },
];

/// How a repository is signed in to, without any secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct RepositorySignIn {
    /// `none`, `token`, `basic` or `ssh`.
    #[serde(rename = "type")]
    kind: String,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// The keys that an SSH host is known by, one a line.
    #[serde(rename = "hostKey", skip_serializing_if = "Option::is_none")]
    host_key: Option<String>,
}

/// A git repository that templates are read from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryView {
    /// Its id.
    id: Uuid,
    /// What people call it.
    name: String,
    /// Where it is; `builtin:…` comes with the server, and cannot be changed.
    url: String,
    /// Whether it comes with the server.
    built_in: bool,
    /// The branch that is read. Without branch, tag and commit: the repository's main one.
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    /// The tag that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// The commit that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// The folder that is read; empty: all.
    path: String,
    /// How it is signed in to.
    auth: RepositorySignIn,
    /// Time between two syncs; null: the server's setting; `0s`: only when asked to.
    interval: Option<String>,
    /// `pending`, `syncing`, `synced` or `failed`.
    #[schema(example = "synced")]
    status: String,
    /// The commit that its templates were read from.
    synced_commit: Option<String>,
    /// How many templates it has.
    template_count: i32,
    /// Why the latest sync failed.
    last_error: Option<String>,
    /// When it was synced last.
    last_sync_at: Option<Timestamp>,
    /// When it is synced next without being asked to.
    next_sync_at: Option<Timestamp>,
    /// Whether a webhook secret was made.
    has_webhook_secret: bool,
    /// When it was added.
    created_at: Timestamp,
    /// By whom.
    created_by: String,
    #[serde(skip)]
    version: i64,
}

impl From<Repository> for RepositoryView {
    fn from(repository: Repository) -> Self {
        let (mut branch, mut tag, mut commit) = (None, None, None);
        match repository.reference {
            Reference::Default => {}
            Reference::Branch(name) => branch = Some(name),
            Reference::Tag(name) => tag = Some(name),
            Reference::Commit(name) => commit = Some(name),
        }
        let interval = repository.interval_s.map(|seconds| std::time::Duration::from_secs(seconds.unsigned_abs()));
        Self {
            id: repository.id,
            name: repository.name,
            built_in: repository.id == builtin::ID,
            url: repository.url,
            branch,
            tag,
            commit,
            path: repository.folder,
            auth: RepositorySignIn {
                kind: repository.auth_kind,
                username: repository.auth_user,
                host_key: repository.host_keys,
            },
            interval: interval.map(duration::short),
            status: repository.status,
            synced_commit: repository.commit,
            template_count: repository.template_count,
            last_error: repository.last_error,
            last_sync_at: repository.last_sync_at,
            next_sync_at: repository.next_sync_at,
            has_webhook_secret: repository.webhook_secret.is_some(),
            created_at: repository.created_at,
            created_by: repository.created_by,
            version: repository.version,
        }
    }
}

/// How to sign in to a repository.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum RepositoryAuth {
    /// It is public.
    #[default]
    None,
    /// A token of the host.
    Token {
        /// The token; kept sealed and shown to nobody.
        #[schema(value_type = String, format = Password)]
        token: SecretString,
    },
    /// A user and a password.
    Basic {
        /// The user's name.
        username: String,
        /// The password; kept sealed and shown to nobody.
        #[schema(value_type = String, format = Password)]
        password: SecretString,
    },
    /// A key, for URLs such as `ssh://git@host/path`.
    #[serde(rename_all = "camelCase")]
    Ssh {
        /// The private key as `ssh-keygen` writes it, without a passphrase; kept sealed and shown to nobody.
        #[schema(value_type = String, format = Password)]
        private_key: SecretString,
        /// The keys of the host, one a line, as `ssh-keyscan` prints them: a host with others is told nothing.
        #[schema(example = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…")]
        host_key: String,
    },
}

/// A repository that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRepository {
    /// What people call it.
    name: String,
    /// Where it is, such as `https://github.com/team/templates` or `ssh://git@github.com/team/templates`.
    url: String,
    /// The branch to read. Without branch, tag and commit: the repository's main one.
    branch: Option<String>,
    /// The tag to read.
    tag: Option<String>,
    /// The commit to read: 40 hex digits.
    commit: Option<String>,
    /// The folder to read; empty: all.
    #[serde(default)]
    path: String,
    /// How to sign in.
    auth: Option<RepositoryAuth>,
    /// Time between two syncs, such as `30m`; absent: the server's setting; `0s`: only when asked to.
    interval: Option<String>,
}

impl NewRepository {
    fn wish(self) -> Result<Wish, Error> {
        let interval = self.interval.map(|text| duration::parse(&text)).transpose();
        Ok(Wish {
            interval: interval.map_err(|error| Error::field("interval", error.to_string()))?,
            reference: Reference::of(self.branch, self.tag, self.commit)
                .map_err(|error| Error::Invalid(vec![error]))?,
            credentials: self.auth.map(|auth| match auth {
                RepositoryAuth::None => Credentials::None,
                RepositoryAuth::Token { token } => Credentials::Token(token),
                RepositoryAuth::Basic { username, password } => Credentials::Basic(username, password),
                RepositoryAuth::Ssh { private_key, host_key } => Credentials::Ssh(private_key, host_key),
            }),
            name: self.name,
            url: self.url,
            folder: self.path,
        })
    }
}

/// The repositories of the catalog.
#[utoipa::path(get, path = "/api/v1/catalog/repositories", tag = "catalog", params(ListQuery),
    responses((status = 200, description = "A page of them, by name", body = Page<RepositoryView>)))]
pub async fn list_repositories(
    _: Guarded<CatalogRepositories>,
    app: web::Data<App>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let mut items: Vec<RepositoryView> = repositories::list(&app).await?.into_iter().map(Into::into).collect();
    items.retain(|repository| list.finds([repository.name.as_str(), &repository.url]));
    list.sort(&mut items, COLUMNS)?;
    Ok(HttpResponse::Ok().json(list.page_of("RepositoryList", items)))
}

/// Adds a repository, and has it synced.
#[utoipa::path(post, path = "/api/v1/catalog/repositories", tag = "catalog", request_body = NewRepository,
    responses((status = 201, description = "Added; its first sync is on its way", body = RepositoryView)))]
pub async fn create_repository(
    caller: Guarded<CatalogWrite>,
    app: web::Data<App>,
    body: Body<NewRepository>,
) -> Result<HttpResponse, Error> {
    let made = RepositoryView::from(repositories::create(&app, &caller, body.0.wish()?).await?);
    let location = format!("/api/v1/catalog/repositories/{}", made.id);
    Ok(etag::made(location, &made.version.to_string(), &made))
}

/// One repository.
#[utoipa::path(get, path = "/api/v1/catalog/repositories/{id}", tag = "catalog", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The repository", body = RepositoryView)))]
pub async fn get_repository(
    _: Guarded<CatalogRepositories>,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    // Its state moves without a change of the settings, so that nobody is answered that they know it.
    Ok(current(repositories::get(&app, &id).await?))
}

fn current(repository: Repository) -> HttpResponse {
    let view = RepositoryView::from(repository);
    etag::current(&view.version.to_string(), &view)
}

/// Changes a repository's settings, and has it synced.
#[utoipa::path(patch, path = "/api/v1/catalog/repositories/{id}", tag = "catalog", params(("id" = String, Path, description = "Its id")),
    request_body(content = NewRepository, description = "A JSON merge patch; credentials that are not given stay"),
    responses((status = 200, description = "The repository as it is now", body = RepositoryView)))]
pub async fn change_repository(
    caller: Guarded<CatalogWrite>,
    app: web::Data<App>,
    id: web::Path<String>,
    if_match: IfMatch,
    body: Body<Value>,
) -> Result<HttpResponse, Error> {
    let old = repositories::get(&app, &id).await?;
    let wish = patched(&old, body.0)?.wish()?;
    let version = if_match.0.map(|version| version.parse().map_err(|_| Error::Stale)).transpose()?;
    let changed = repositories::change(&app, &caller, old, wish, version).await?;
    Ok(current(changed))
}

/// What `old` would be with `patch`.
fn patched(old: &Repository, patch: Value) -> Result<NewRepository, Error> {
    let view = RepositoryView::from(old.clone());
    let mut wanted = json!({
        "name": view.name, "url": view.url, "branch": view.branch, "tag": view.tag, "commit": view.commit,
        "path": view.path, "interval": view.interval,
    });
    let Value::Object(fields) = &patch else {
        return Err(Error::BadRequest("a merge patch is a JSON object".into()));
    };
    // One of the three takes the place of the others.
    if ["branch", "tag", "commit"].iter().any(|field| fields.get(*field).is_some_and(|value| !value.is_null())) {
        for field in ["branch", "tag", "commit"] {
            wanted[field] = Value::Null;
        }
    }
    merge::patch(&mut wanted, &patch);
    super::body::parse(&serde_json::to_vec(&wanted).map_err(Error::internal)?)
}

/// Removes a repository and its templates from the catalog. What was installed from it stays.
#[utoipa::path(delete, path = "/api/v1/catalog/repositories/{id}", tag = "catalog", params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone")))]
pub async fn delete_repository(
    caller: Guarded<CatalogWrite>,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    repositories::delete(&app, &caller, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Has a repository synced. One that waits to be synced is not synced twice.
#[utoipa::path(post, path = "/api/v1/catalog/repositories/{id}/sync", tag = "catalog", params(("id" = String, Path, description = "Its id")),
    responses((status = 202, description = "The job", body = Job)))]
pub async fn sync_repository(
    caller: Guarded<CatalogSync>,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    Ok(accepted(repositories::sync(&app, &caller, &id).await?))
}

/// Has every repository synced.
#[utoipa::path(post, path = "/api/v1/catalog/sync", tag = "catalog",
    responses((status = 202, description = "The jobs", body = Page<Job>)))]
pub async fn sync_catalog(caller: Guarded<CatalogSync>, app: web::Data<App>) -> Result<HttpResponse, Error> {
    let items = repositories::sync_all(&app, &caller).await?;
    Ok(HttpResponse::Accepted()
        .insert_header((actix_web::http::header::LOCATION, "/api/v1/jobs?type=catalog.sync"))
        .json(Page::new("JobList", 1, items.len(), items)))
}

/// A sync that found something new, or failed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncView {
    /// Its id.
    id: Uuid,
    /// The job that it was.
    job: String,
    /// `synced` or `failed`.
    result: String,
    /// The commit that was read.
    commit: Option<String>,
    /// Templates that are new.
    added: i32,
    /// Templates that are otherwise.
    changed: i32,
    /// Templates that are gone.
    removed: i32,
    /// Why it failed.
    error: Option<String>,
    /// What is wrong with files, each with its place.
    #[schema(value_type = Vec<crate::services::catalog::Problem>)]
    problems: Value,
    /// When it began.
    began_at: Timestamp,
    /// When it ended.
    ended_at: Timestamp,
}

impl From<Sync> for SyncView {
    fn from(sync: Sync) -> Self {
        let Sync {
            id,
            repository: _,
            job,
            result,
            commit,
            added,
            changed,
            removed,
            error,
            problems,
            began_at,
            ended_at,
        } = sync;
        Self { id, job, result, commit, added, changed, removed, error, problems, began_at, ended_at }
    }
}

/// The latest syncs of a repository that found something new or failed, the latest first.
#[utoipa::path(get, path = "/api/v1/catalog/repositories/{id}/syncs", tag = "catalog",
    params(("id" = String, Path, description = "Its id"), ListQuery),
    responses((status = 200, description = "A page of them", body = Page<SyncView>)))]
pub async fn repository_syncs(
    _: Guarded<CatalogRepositories>,
    app: web::Data<App>,
    id: web::Path<String>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let items: Vec<SyncView> = repositories::history(&app, &id).await?.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(list.page_of("SyncList", items)))
}

/// A webhook with a good signature, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryView {
    /// Its id here.
    id: Uuid,
    /// `github`, `gitlab`, `gitea`, `bitbucket` or `generic`.
    provider: String,
    /// The sender's id of it.
    delivery: String,
    /// The sender's word for what happened.
    event: String,
    /// What was pushed, such as `refs/heads/main`.
    reference: Option<String>,
    /// `accepted`, `ignored`, `pong` or `replayed`.
    result: String,
    /// Why it was ignored or refused.
    reason: Option<String>,
    /// The sync that it led to.
    job: Option<String>,
    /// When it came.
    received_at: Timestamp,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let Delivery { id, repository: _, provider, delivery, event, reference, result, reason, job, received_at } =
            delivery;
        Self { id, provider, delivery, event, reference, result, reason, job, received_at }
    }
}

/// The latest webhooks that came for a repository, the latest first.
#[utoipa::path(get, path = "/api/v1/catalog/repositories/{id}/deliveries", tag = "catalog",
    params(("id" = String, Path, description = "Its id"), ListQuery),
    responses((status = 200, description = "A page of them", body = Page<DeliveryView>)))]
pub async fn repository_deliveries(
    _: Guarded<CatalogRepositories>,
    app: web::Data<App>,
    id: web::Path<String>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let items: Vec<DeliveryView> = repositories::deliveries(&app, &id).await?.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(list.page_of("DeliveryList", items)))
}

/// A webhook secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookSecret {
    /// To be given to the host of the repository; told this once.
    secret: Told,
    /// The URL that webhooks go to.
    url: String,
}

/// Makes a new webhook secret for a repository; the one before is good no longer.
#[utoipa::path(post, path = "/api/v1/catalog/repositories/{id}/webhook-secret", tag = "catalog",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 201, description = "The secret, told this once", body = WebhookSecret)))]
pub async fn renew_webhook_secret(
    caller: Guarded<CatalogWrite>,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let secret = repositories::renew_webhook_secret(&app, &caller, &id).await?;
    let url = app.config.http.public_url().join(super::webhooks::PATH).map_err(Error::internal)?;
    Ok(HttpResponse::Created().json(WebhookSecret { secret: secret.into(), url: url.into() }))
}
