//! Accounts.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    body::Body,
    etag::{self, IfMatch},
    guard::Guarded,
    list::{ListQuery, Page},
    told::Told,
};
use crate::{
    Error,
    auth::{
        Auth, Caller, Permission, Role,
        permission::needs::{SelfManage, UsersRead, UsersWrite},
    },
    domain::{merge::present, people::AccountKind},
    services::accounts::{self, Change, Link, NewUser, Query, SortKey, User},
};

/// The caller themselves.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The user name.
    name: String,
    /// What is shown; may be empty.
    display_name: String,
    /// Where they read mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Their roles.
    roles: BTreeSet<Role>,
    /// What these give, narrowed to the scopes of the token that was used.
    #[schema(value_type = Vec<String>)]
    permissions: Vec<Permission>,
}

impl Me {
    /// `user`, as they see themselves; `caller`: with which credential, `None` for one that narrows nothing.
    #[must_use]
    pub fn new(user: &User, caller: Option<&Caller>) -> Self {
        let scopes = caller.and_then(|caller| caller.scopes.clone());
        let whole = Caller::new(&user.name, user.all_roles(), crate::auth::Credential::Anyone);
        Self {
            name: user.name.clone(),
            display_name: user.display_name.clone(),
            email: user.email.clone(),
            roles: user.all_roles(),
            permissions: Caller { scopes, ..whole }.permissions(),
        }
    }
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub struct UserView {
    /// The user name: a DNS label, never given out again.
    name: String,
    /// Whose it is.
    kind: AccountKind,
    /// What is shown; may be empty.
    display_name: String,
    /// Where the person reads mail.
    email: Option<String>,
    /// What an administrator lets them do.
    roles: BTreeSet<Role>,
    /// What the rules for single sign-on let them do, as of their last sign-in.
    mapped_roles: BTreeSet<Role>,
    /// Whether they are kept out.
    disabled: bool,
    /// When the account was made.
    created_at: Timestamp,
    /// Their last sign-in; null: they never did.
    last_sign_in_at: Option<Timestamp>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            name: user.name,
            kind: user.kind,
            display_name: user.display_name,
            email: user.email,
            roles: user.roles,
            mapped_roles: user.mapped_roles,
            disabled: user.disabled,
            created_at: user.created_at,
            last_sign_in_at: user.last_sign_in_at,
        }
    }
}

/// An account to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewUser)]
pub struct NewUserBody {
    /// 1 to 63 lower-case letters, digits and hyphens; nobody may have had it before.
    name: String,
    /// What is shown.
    #[serde(default)]
    display_name: String,
    /// Where the person reads mail.
    email: Option<String>,
    /// What they may do.
    #[serde(default = "plain_user")]
    roles: BTreeSet<Role>,
}

/// What an account may do whose maker says nothing of it.
pub(super) fn plain_user() -> BTreeSet<Role> {
    BTreeSet::from([Role::User])
}

/// What to change about an account; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserChange {
    /// What is shown.
    display_name: Option<String>,
    /// Where the person reads mail; null removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    #[allow(clippy::option_option, reason = "in a merge patch absent, null and a text mean three things")]
    email: Option<Option<String>>,
    /// What they may do.
    roles: Option<BTreeSet<Role>>,
    /// Whether they are kept out: their sign-ins, links and tokens end at once.
    disabled: Option<bool>,
}

/// A one-time sign-in link; whoever has it is that person.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignInLink {
    /// To be opened in a browser.
    url: Told,
    /// Until then.
    expires_at: Timestamp,
}

impl SignInLink {
    fn new(auth: &Auth, link: &Link) -> Self {
        Self { url: auth.link_url(&link.secret).into(), expires_at: link.expires_at }
    }
}

/// An account that was made, with the link for its owner.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedUser {
    #[serde(flatten)]
    user: UserView,
    /// For the new person: they sign in with it and set a password. Shown this once.
    sign_in_link: SignInLink,
}

/// Says who calls.
#[utoipa::path(get, path = "/api/v1/users/me", tag = "users", responses((status = 200, body = Me)))]
pub async fn me(caller: Guarded<SelfManage>, auth: web::Data<Auth>) -> Result<HttpResponse, Error> {
    let user = accounts::get(&auth, &caller.user).await?;
    Ok(HttpResponse::Ok().json(Me::new(&user, Some(&caller))))
}

/// Lists accounts; `sort` takes `name`, `createdAt`, `lastSignInAt`.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(ListQuery),
    responses((status = 200, body = Page<UserView>)))]
pub async fn list_users(_: Guarded<UsersRead>, auth: web::Data<Auth>, query: ListQuery) -> Result<HttpResponse, Error> {
    list(&auth, &query, None).await
}

/// The page that is asked for of the accounts, or of those of a `kind`.
pub(super) async fn list(auth: &Auth, query: &ListQuery, kind: Option<AccountKind>) -> Result<HttpResponse, Error> {
    const KEYS: [SortKey; 3] = [SortKey::Name, SortKey::CreatedAt, SortKey::LastSignInAt];
    let order = query.order(&["name", "createdAt", "lastSignInAt"])?;
    let asked = Query {
        words: query.words.clone(),
        kind,
        sort: order.into_iter().map(|(place, descending)| (KEYS[place], descending)).collect(),
        offset: i64::try_from(query.offset()).unwrap_or(i64::MAX),
        limit: query.size.into(),
    };
    let (users, total) = accounts::list(auth, &asked).await?;
    let items = users.into_iter().map(UserView::from).collect();
    Ok(HttpResponse::Ok().json(Page::new("UserList", query.page, usize::try_from(total).unwrap_or(0), items)))
}

/// Makes an account. Its owner signs in with the link of the answer.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = NewUserBody,
    responses((status = 201, body = CreatedUser)))]
pub async fn create_user(
    caller: Guarded<UsersWrite>,
    auth: web::Data<Auth>,
    body: Body<NewUserBody>,
) -> Result<HttpResponse, Error> {
    let Body(NewUserBody { name, display_name, email, roles }) = body;
    let (user, link) = accounts::create(&auth, &caller, NewUser { name, display_name, email, roles }).await?;
    let location = format!("/api/v1/users/{}", user.name);
    let sign_in_link = SignInLink::new(&auth, &link);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ETAG, etag::tag(&user.version.to_string())))
        .json(CreatedUser { user: user.into(), sign_in_link }))
}

/// Shows an account.
#[utoipa::path(get, path = "/api/v1/users/{name}", tag = "users", params(("name" = String, Path)),
    responses((status = 200, body = UserView), (status = 304)))]
pub async fn get_user(
    _: Guarded<UsersRead>,
    auth: web::Data<Auth>,
    request: HttpRequest,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let user = accounts::get(&auth, &name).await?;
    Ok(etag::show_version(&request, &user.version.to_string(), &UserView::from(user)))
}

/// Changes an account (JSON merge patch). Takes effect everywhere within seconds.
#[utoipa::path(patch, path = "/api/v1/users/{name}", tag = "users", params(("name" = String, Path)),
    request_body = UserChange, responses((status = 200, body = UserView)))]
pub async fn change_user(
    caller: Guarded<UsersWrite>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    condition: IfMatch,
    body: Body<UserChange>,
) -> Result<HttpResponse, Error> {
    let Body(UserChange { display_name, email, roles, disabled }) = body;
    let change = Change { display_name, email, roles, disabled };
    let user = accounts::change(&auth, &caller, &name, condition.version()?, change).await?;
    Ok(etag::current(&user.version.to_string(), &UserView::from(user)))
}

/// Deletes an account. Its name is never given out again.
#[utoipa::path(delete, path = "/api/v1/users/{name}", tag = "users", params(("name" = String, Path)),
    responses((status = 204)))]
pub async fn delete_user(
    caller: Guarded<UsersWrite>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
    condition: IfMatch,
) -> Result<HttpResponse, Error> {
    accounts::delete(&auth, &caller, &name, condition.version()?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Makes a one-time sign-in link, for a lost password of a person. Links made before no longer work.
#[utoipa::path(post, path = "/api/v1/users/{name}/sign-in-link", tag = "users", params(("name" = String, Path)),
    responses((status = 201, body = SignInLink)))]
pub async fn create_sign_in_link(
    caller: Guarded<UsersWrite>,
    auth: web::Data<Auth>,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let link = accounts::sign_in_link(&auth, &caller, &name).await?;
    let view = SignInLink::new(&auth, &link);
    Ok(HttpResponse::Created().insert_header((header::CACHE_CONTROL, "no-store")).json(view))
}
