//! The audit, to be read.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    guard::Guarded,
    list::{CountedPage, ListQuery},
    params::Params,
};
use crate::{
    Error,
    auth::{
        Auth,
        permission::needs::{AuditRead, SelfManage},
    },
    services::{
        audit::{self, Kept, Query},
        audit_chain,
    },
};

/// Which entries to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Who: a user name.
    actor: Option<String>,
    /// What, such as `user.create`, or the noun of it, such as `user`.
    action: Option<String>,
    /// On what, such as `user/alice`.
    target: Option<String>,
    /// With which result: `success`, `refused` or `failed`.
    result: Option<String>,
    /// Not before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
}

/// Something that was done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Its id.
    id: Uuid,
    /// When, by the database's clock.
    time: Timestamp,
    /// Who; null: somebody who is not known.
    actor: Option<String>,
    /// How they were known: `sign-in …`, `token …`, `access …`, `console` or `none`.
    credential: String,
    /// From where.
    address: Option<String>,
    /// What.
    action: String,
    /// On what.
    target: Option<String>,
    /// `success`, `refused` or `failed`.
    result: String,
    /// The request's id.
    request_id: Option<String>,
    /// What was there, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// What was there then, without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

impl From<Kept> for AuditEntry {
    fn from(entry: Kept) -> Self {
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        let fact = entry.fact;
        Self {
            id: entry.id,
            time: entry.time,
            actor: fact.actor,
            credential: fact.credential,
            address: fact.address,
            action: fact.action,
            target: fact.target,
            result: fact.result,
            request_id: fact.request_id,
            before: json(fact.before),
            after: json(fact.after),
        }
    }
}

/// The newest link of the audit's chain.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditHead {
    /// How many entries are chained.
    number: i64,
    /// SHA-256 in hex; to be noted elsewhere and given to `streamspace audit verify --head`. Null: nothing yet.
    hash: Option<String>,
}

/// Lists entries, the newest first; `sort=time` reverses that. Those who may not read the audit see what they did
/// themselves, and what was done to their account.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditFilter, ListQuery),
    responses((status = 200, body = CountedPage<AuditEntry>)))]
pub async fn list_audit(
    caller: Guarded<SelfManage>,
    auth: web::Data<Auth>,
    filter: Params<AuditFilter>,
    query: ListQuery,
) -> Result<HttpResponse, Error> {
    let Params(AuditFilter { actor, action, target, result, from, to }) = filter;
    let ascending = query.order(&["time"])?.first().is_some_and(|(_, descending)| !descending);
    let asked = Query {
        about: None,
        actor,
        action,
        target,
        result,
        from,
        to,
        words: query.words.clone(),
        ascending,
        offset: i64::try_from(query.offset()).unwrap_or(i64::MAX),
        limit: query.size.into(),
    };
    let (entries, counted) = audit::list(&auth, &caller, asked).await?;
    let items: Vec<AuditEntry> = entries.into_iter().map(AuditEntry::from).collect();
    Ok(HttpResponse::Ok().json(CountedPage::new("AuditList", query.page, counted, items)))
}

/// The newest link of the chain.
#[utoipa::path(get, path = "/api/v1/audit/head", tag = "audit", responses((status = 200, body = AuditHead)))]
pub async fn audit_head(_: Guarded<AuditRead>, auth: web::Data<Auth>) -> Result<HttpResponse, Error> {
    let head = audit_chain::head(auth.pool()).await?;
    Ok(HttpResponse::Ok().json(AuditHead {
        number: head.as_ref().map_or(0, |head| head.number),
        hash: head.map(|head| hex::encode(head.hash)),
    }))
}
