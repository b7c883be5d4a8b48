//! `/webhooks/repository/sync`: hosts of git repositories say that somebody pushed.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{guard::Visitor, jobs::accepted};
use crate::{
    App, Error,
    domain::jobs::Job,
    services::catalog::{
        Webhook,
        webhooks::{self, Answer},
    },
};

/// Where webhooks go to.
pub const PATH: &str = "/webhooks/repository/sync";

/// A webhook that leads to no sync.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookHeard {
    /// `pong` or `ignored`.
    result: &'static str,
    /// Why it is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Takes a push of GitHub, GitLab, Gitea, Forgejo or Bitbucket, or anything signed as theirs are, and has the repository
/// synced. A program with an API token of scope `catalog:sync` says `{"repository_url", "branch"}` instead.
#[utoipa::path(post, path = "/webhooks/repository/sync", tag = "catalog", request_body = Object,
    responses(
        (status = 202, description = "A sync is on its way", body = Job),
        (status = 200, description = "A ping, or nothing that is read here", body = WebhookHeard),
    ))]
pub async fn receive(
    visitor: Visitor,
    app: web::Data<App>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let length = super::body::declared_length(&request);
    let body = super::body::read(payload.into_inner(), length).await?;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let hook = Webhook::read(header, &body).map_err(Error::BadRequest)?;
    let answer = if hook.proof.is_some() {
        webhooks::receive(&app, &hook).await?
    } else {
        webhooks::by_token(&app, visitor.0.as_ref(), &hook).await?
    };
    Ok(match answer {
        Answer::Accepted(job) => accepted(*job),
        Answer::Pong => HttpResponse::Ok().json(WebhookHeard { result: "pong", reason: None }),
        Answer::Ignored(reason) => HttpResponse::Ok().json(WebhookHeard { result: "ignored", reason: Some(reason) }),
    })
}
