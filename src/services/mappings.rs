//! The rules from what identity providers say to groups and roles.

use deadpool_postgres::Transaction;
use serde_json::json;
use uuid::Uuid;

use super::{
    at_version,
    audit::{self, Entry},
};
pub use crate::domain::sso::Rule;
use crate::{
    Error,
    auth::{Auth, Caller, Role},
    domain::sso::{check_rule, principal},
    store::{
        mapping_rules,
        teams::{self, Kind},
    },
};

/// What a rule is to say.
#[derive(Clone, Debug)]
pub struct NewRule {
    /// The provider that is believed.
    pub issuer: String,
    /// Claim and value, such as `groups=engineering`.
    pub principal: String,
    /// The group that it gives.
    pub team: Option<String>,
    /// The role that it gives.
    pub role: Option<Role>,
    /// Whether it counts.
    pub enabled: bool,
}

/// What to change about a rule; `None` leaves a part as it is, `Some(None)` takes it away.
#[derive(Clone, Debug, Default)]
#[allow(clippy::option_option, reason = "in a merge patch absent, null and a text mean three things")]
pub struct Change {
    /// The provider that is believed.
    pub issuer: Option<String>,
    /// Claim and value.
    pub principal: Option<String>,
    /// The group that it gives.
    pub team: Option<Option<String>>,
    /// The role that it gives.
    pub role: Option<Option<Role>>,
    /// Whether it counts.
    pub enabled: Option<bool>,
}

/// Every rule, the oldest first.
pub async fn list(auth: &Auth) -> Result<Vec<Rule>, Error> {
    mapping_rules::all(&auth.client().await?).await
}

/// The rule of that id.
pub async fn get(auth: &Auth, id: &str) -> Result<Rule, Error> {
    let found = mapping_rules::by_id(&auth.client().await?, parsed(id)?).await?;
    found.ok_or_else(|| missing(id))
}

/// Adds a rule. It counts from each person's next sign-in on.
pub async fn create(auth: &Auth, caller: &Caller, new: NewRule) -> Result<Rule, Error> {
    let NewRule { issuer, principal: written, team, role, enabled } = new;
    let (claim, value) = principal(&written).map_err(|field| Error::Invalid(vec![field]))?;
    let (id, created_at) = (Uuid::now_v7(), auth.now());
    let rule = Rule { id, issuer, claim, value, team, role, enabled, version: 1, created_at };
    check(&rule)?;
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    require_team(&transaction, &rule).await?;
    mapping_rules::insert(&transaction, &rule).await?;
    audit::record(&transaction, caller, Entry::new("mapping.create", target(id)).after(&shown(&rule))).await?;
    transaction.commit().await?;
    Ok(rule)
}

/// Changes a rule. `version`: what it has to be at, where the caller said so.
pub async fn change(
    auth: &Auth,
    caller: &Caller,
    id: &str,
    version: Option<i64>,
    change: Change,
) -> Result<Rule, Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let before = mapping_rules::by_id_locked(&transaction, parsed(id)?).await?.ok_or_else(|| missing(id))?;
    at_version(version, before.version)?;
    let mut after = before.clone();
    if let Some(written) = change.principal {
        (after.claim, after.value) = principal(&written).map_err(|field| Error::Invalid(vec![field]))?;
    }
    after.issuer = change.issuer.unwrap_or(after.issuer);
    after.team = change.team.unwrap_or(after.team);
    after.role = change.role.unwrap_or(after.role);
    after.enabled = change.enabled.unwrap_or(after.enabled);
    check(&after)?;
    if after == before {
        return Ok(before);
    }
    require_team(&transaction, &after).await?;
    mapping_rules::update(&transaction, &after).await?;
    let entry = Entry::new("mapping.change", target(before.id)).before(&shown(&before)).after(&shown(&after));
    audit::record(&transaction, caller, entry).await?;
    transaction.commit().await?;
    Ok(Rule { version: after.version + 1, ..after })
}

/// Removes a rule. What it gave goes at each person's next sign-in.
pub async fn delete(auth: &Auth, caller: &Caller, id: &str, version: Option<i64>) -> Result<(), Error> {
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    let rule = mapping_rules::by_id_locked(&transaction, parsed(id)?).await?.ok_or_else(|| missing(id))?;
    at_version(version, rule.version)?;
    mapping_rules::delete(&transaction, rule.id).await?;
    audit::record(&transaction, caller, Entry::new("mapping.delete", target(rule.id)).before(&shown(&rule))).await?;
    Ok(transaction.commit().await?)
}

fn check(rule: &Rule) -> Result<(), Error> {
    let wrong = check_rule(&rule.issuer, rule.team.as_deref(), rule.role);
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

/// Refuses a rule that gives a group which does not exist.
async fn require_team(transaction: &Transaction<'_>, rule: &Rule) -> Result<(), Error> {
    let Some(team) = &rule.team else { return Ok(()) };
    match teams::by_name(transaction, Kind::Group, team).await? {
        Some(_) => Ok(()),
        None => Err(Error::field("team", format!("there is no group {team}: make it first"))),
    }
}

fn parsed(id: &str) -> Result<Uuid, Error> {
    Uuid::parse_str(id).map_err(|_| missing(id))
}

fn missing(id: &str) -> Error {
    Error::not_found("mapping", id)
}

fn target(id: Uuid) -> String {
    format!("mapping/{id}")
}

fn shown(rule: &Rule) -> serde_json::Value {
    let Rule { issuer, claim, value, team, role, enabled, .. } = rule;
    let principal = format!("{claim}={value}");
    json!({ "issuer": issuer, "principal": principal, "team": team, "role": role, "enabled": enabled })
}
