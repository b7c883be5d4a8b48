//! Rules from what identity providers say to groups and roles.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error,
    domain::{people::Role, sso::Rule},
};

fn rule(row: &Row) -> Result<Rule, Error> {
    let role: Option<String> = row.try_get("role")?;
    Ok(Rule {
        id: row.try_get("id")?,
        issuer: row.try_get("issuer")?,
        claim: row.try_get("claim")?,
        value: row.try_get("value")?,
        team: row.try_get("team")?,
        role: role.as_deref().and_then(Role::from_word),
        enabled: row.try_get("enabled")?,
        version: row.try_get("version")?,
        created_at: row.try_get("created_at")?,
    })
}

/// Every rule, the oldest first.
pub async fn all(db: &impl GenericClient) -> Result<Vec<Rule>, Error> {
    let statement = db.prepare_cached("SELECT * FROM rbac_mappings ORDER BY created_at, id").await?;
    db.query(&statement, &[]).await?.iter().map(rule).collect()
}

/// The rules about one issuer.
pub async fn of_issuer(db: &impl GenericClient, issuer: &str) -> Result<Vec<Rule>, Error> {
    let statement = db.prepare_cached("SELECT * FROM rbac_mappings WHERE issuer = $1 ORDER BY created_at, id").await?;
    db.query(&statement, &[&issuer]).await?.iter().map(rule).collect()
}

/// The rule of that id.
pub async fn by_id(db: &impl GenericClient, id: Uuid) -> Result<Option<Rule>, Error> {
    let statement = db.prepare_cached("SELECT * FROM rbac_mappings WHERE id = $1").await?;
    db.query_opt(&statement, &[&id]).await?.as_ref().map(rule).transpose()
}

/// The rule of that id, locked until the transaction ends.
pub async fn by_id_locked(db: &impl GenericClient, id: Uuid) -> Result<Option<Rule>, Error> {
    let statement = db.prepare_cached("SELECT * FROM rbac_mappings WHERE id = $1 FOR UPDATE").await?;
    db.query_opt(&statement, &[&id]).await?.as_ref().map(rule).transpose()
}

/// Adds a rule.
pub async fn insert(db: &impl GenericClient, rule: &Rule) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO rbac_mappings (id, issuer, claim, value, team, role, enabled, version, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .await?;
    let Rule { id, issuer, claim, value, role, enabled, version, created_at, team } = rule;
    let role = role.map(Role::word);
    db.execute(&statement, &[id, issuer, claim, value, team, &role, enabled, version, created_at]).await?;
    Ok(())
}

/// Writes what can be changed about a rule; its version becomes one more than it says.
pub async fn update(db: &impl GenericClient, rule: &Rule) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE rbac_mappings SET issuer = $2, claim = $3, value = $4, team = $5, role = $6, enabled = $7, \
             version = $8::bigint + 1 WHERE id = $1",
        )
        .await?;
    let Rule { id, issuer, claim, value, role, enabled, version, team, created_at: _ } = rule;
    let role = role.map(Role::word);
    db.execute(&statement, &[id, issuer, claim, value, team, &role, enabled, version]).await?;
    Ok(())
}

/// Removes the rule of that id.
pub async fn delete(db: &impl GenericClient, id: Uuid) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM rbac_mappings WHERE id = $1").await?;
    db.execute(&statement, &[&id]).await?;
    Ok(())
}
