//! Opening sessions to others: shares, invitations, and what is shared with the caller.

use std::sync::Arc;

use actix_web::{HttpResponse, http::header, web};
use jiff::Timestamp;
use kube::ResourceExt;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::Body,
    guard::Guarded,
    list::{ListQuery, Page},
    told::Told,
};
use crate::{
    App, Error,
    auth::permission::needs::{SessionsOwn, SessionsRead},
    crd::Session,
    domain::sharing::Level,
    services::{
        invitations::{self, Invitation, Looked, NewInvitation},
        sessions,
        shares::{self, NewShare, Share, With},
    },
};

/// With whom a session is shared, and how far.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Share)]
pub struct ShareView {
    /// Its id.
    id: Uuid,
    /// The person's user name; null: it is with a group.
    user: Option<String>,
    /// The group's name; null: it is with a person.
    group: Option<String>,
    /// How far.
    level: Level,
    /// When it ends; null: not by itself.
    expires_at: Option<Timestamp>,
    /// Who said so.
    created_by: String,
    /// When.
    created_at: Timestamp,
}

impl From<Share> for ShareView {
    fn from(share: Share) -> Self {
        let (user, group) = share.with.names();
        let (user, group) = (user.map(str::to_owned), group.map(str::to_owned));
        let Share { id, level, expires_at, created_by, created_at, .. } = share;
        Self { id, user, group, level, expires_at, created_by, created_at }
    }
}

/// A share to be made: with `user` or with `group`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewShare)]
pub struct NewShareBody {
    /// The person's user name.
    user: Option<String>,
    /// A group's name: one that the caller belongs to, or any for those who see groups.
    group: Option<String>,
    /// `view` looks on, which takes a session with a screen; `use` works in it; `manage` also changes it and shares it on.
    level: Level,
    /// When it ends; absent: not by itself.
    expires_at: Option<Timestamp>,
}

impl NewShareBody {
    fn read(self) -> Result<NewShare, Error> {
        let with = match (self.user, self.group) {
            (Some(user), None) => With::User(user),
            (None, Some(group)) => With::Group(group),
            _ => return Err(Error::field("user", "name a user or a group, one of them")),
        };
        Ok(NewShare { with, level: self.level, expires_at: self.expires_at })
    }
}

/// The shares of a session, oldest first: for its owner, those who manage it, and those who see everybody's.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/shares", tag = "sharing",
    params(("id" = String, Path, description = "`metadata.name`"), ListQuery),
    responses((status = 200, description = "A page of them", body = Page<ShareView>)))]
pub async fn list_shares(
    caller: Guarded<SessionsRead>,
    app: web::Data<App>,
    id: web::Path<String>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let found = shares::list(&app, &caller, &id);
    let page: Page<ShareView> = list.page_found("ShareList", found, |share| [share.with.name()]).await?;
    Ok(HttpResponse::Ok().json(page))
}

/// Opens a session to a person or a group; for whom it is open already, changes how far and until when.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/shares", tag = "sharing",
    params(("id" = String, Path, description = "`metadata.name`")), request_body = NewShareBody,
    responses((status = 201, description = "Made", body = ShareView), (status = 200, description = "Changed", body = ShareView)))]
pub async fn put_share(
    caller: Guarded<SessionsOwn>,
    app: web::Data<App>,
    id: web::Path<String>,
    body: Body<NewShareBody>,
) -> Result<HttpResponse, Error> {
    let (share, is_new) = shares::put(&app, &caller, &id, body.0.read()?).await?;
    let location = format!("/api/v1/sessions/{}/shares/{}", share.session, share.id);
    Ok(if is_new {
        HttpResponse::Created().insert_header((header::LOCATION, location)).json(ShareView::from(share))
    } else {
        HttpResponse::Ok().json(ShareView::from(share))
    })
}

/// Ends a share: what it let in is closed within 5 s. A guest may end the one that is with them.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}/shares/{share}", tag = "sharing",
    params(("id" = String, Path, description = "`metadata.name`"), ("share" = String, Path)),
    responses((status = 204, description = "It has ended")))]
pub async fn delete_share(
    caller: Guarded<SessionsOwn>,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let (id, share) = path.into_inner();
    shares::delete(&app, &caller, &id, parse("share", &share)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn parse(kind: &'static str, id: &str) -> Result<Uuid, Error> {
    id.parse().map_err(|_| Error::not_found(kind, id))
}

/// A link that lets people in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invitation)]
pub struct InvitationView {
    /// Its id.
    id: Uuid,
    /// How far it lets in.
    level: Level,
    /// How many more people can accept it.
    uses_left: i32,
    /// Until when.
    expires_at: Timestamp,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: Timestamp,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let Invitation { id, level, uses_left, expires_at, created_by, created_at, .. } = invitation;
        Self { id, level, uses_left, expires_at, created_by, created_at }
    }
}

/// An invitation to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewInvitation)]
pub struct NewInvitationBody {
    /// How far it lets in.
    level: Level,
    /// For how many people: 1 to 100.
    #[serde(default = "once")]
    #[schema(minimum = 1, maximum = 100, default = 1)]
    uses: i32,
    /// Until when it can be accepted: at most 30 days ahead.
    expires_at: Timestamp,
}

const fn once() -> i32 {
    1
}

/// An invitation that was made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedInvitation {
    #[serde(flatten)]
    view: InvitationView,
    /// The page to send on; its secret stands behind the `#`, which browsers do not send. Shown this once.
    url: Told,
}

/// The invitations to a session that still let in, oldest first.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/invitations", tag = "sharing",
    params(("id" = String, Path, description = "`metadata.name`"), ListQuery),
    responses((status = 200, description = "A page of them", body = Page<InvitationView>)))]
pub async fn list_invitations(
    caller: Guarded<SessionsRead>,
    app: web::Data<App>,
    id: web::Path<String>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let found = invitations::list(&app, &caller, &id);
    let page: Page<InvitationView> = list.page_found("InvitationList", found, |it| [it.created_by.as_str()]).await?;
    Ok(HttpResponse::Ok().json(page))
}

/// Makes a link with which whoever is signed in can let themselves into the session.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/invitations", tag = "sharing",
    params(("id" = String, Path, description = "`metadata.name`")), request_body = NewInvitationBody,
    responses((status = 201, description = "Made", body = CreatedInvitation)))]
pub async fn create_invitation(
    caller: Guarded<SessionsOwn>,
    app: web::Data<App>,
    id: web::Path<String>,
    body: Body<NewInvitationBody>,
) -> Result<HttpResponse, Error> {
    let Body(NewInvitationBody { level, uses, expires_at }) = body;
    let (made, url) = invitations::create(&app, &caller, &id, NewInvitation { level, uses, expires_at }).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(CreatedInvitation { view: made.into(), url: url.into() }))
}

/// Withdraws a link; those who came by it stay until their share is ended.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}/invitations/{invitation}", tag = "sharing",
    params(("id" = String, Path, description = "`metadata.name`"), ("invitation" = String, Path)),
    responses((status = 204, description = "It lets nobody in any more")))]
pub async fn delete_invitation(
    caller: Guarded<SessionsOwn>,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let (id, invitation) = path.into_inner();
    invitations::delete(&app, &caller, &id, parse("invitation", &invitation)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The secret of a link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationSecret {
    /// What stands behind `#invitation=` in its address.
    #[schema(value_type = String)]
    token: SecretString,
}

/// A session that is open to the caller, or would be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedSession {
    /// `metadata.name`.
    session: String,
    /// What people see.
    display_name: String,
    /// Whose it is.
    owner: String,
    /// How far it is open.
    level: Level,
}

impl From<(Arc<Session>, Level)> for SharedSession {
    fn from((session, level): (Arc<Session>, Level)) -> Self {
        Self {
            session: session.name_any(),
            display_name: sessions::shown_name(&session).to_owned(),
            owner: session.spec.user.clone(),
            level,
        }
    }
}

impl From<Looked> for SharedSession {
    fn from(looked: Looked) -> Self {
        Self::from((looked.session, looked.level))
    }
}

/// Shows what a link invites to, without accepting it. The secret stands in the body, since addresses are written down.
#[utoipa::path(post, path = "/api/v1/invitations/look", tag = "sharing", request_body = InvitationSecret,
    responses((status = 200, description = "What it invites to", body = SharedSession)))]
pub async fn look_at_invitation(
    _: Guarded<SessionsOwn>,
    app: web::Data<App>,
    body: Body<InvitationSecret>,
) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(SharedSession::from(invitations::look(&app, &body.0.token).await?)))
}

/// Accepts an invitation: from now on the session is shared with the caller.
#[utoipa::path(post, path = "/api/v1/invitations/accept", tag = "sharing", request_body = InvitationSecret,
    responses((status = 200, description = "What is shared now", body = SharedSession)))]
pub async fn accept_invitation(
    caller: Guarded<SessionsOwn>,
    app: web::Data<App>,
    body: Body<InvitationSecret>,
) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(SharedSession::from(invitations::accept(&app, &caller, &body.0.token).await?)))
}

/// The sessions of others that are shared with the caller, and how far.
#[utoipa::path(get, path = "/api/v1/users/me/shares", tag = "sharing", params(ListQuery),
    responses((status = 200, description = "A page of them, by owner", body = Page<SharedSession>)))]
pub async fn shared_with_me(
    caller: Guarded<SessionsRead>,
    app: web::Data<App>,
    list: ListQuery,
) -> Result<HttpResponse, Error> {
    let found = async { Ok(shares::with_caller(&app, &caller)) };
    let page: Page<SharedSession> = list
        .page_found("SharedSessionList", found, |(session, _)| {
            let name = session.metadata.name.as_deref().unwrap_or_default();
            [name, sessions::shown_name(session), session.spec.user.as_str()]
        })
        .await?;
    Ok(HttpResponse::Ok().json(page))
}
