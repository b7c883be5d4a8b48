//! Personal API tokens.

use std::collections::HashSet;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::users::{self, User};
use crate::Error;

/// A personal API token, without what is shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id, the token's `jti`.
    pub id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// Words of the permissions it is narrowed to; `None`: all that its owner has.
    pub scopes: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Its last request, to about a minute.
    pub last_used_at: Option<Timestamp>,
}

const COLUMNS: &str = "t.id, t.name, t.scopes, t.created_at, t.expires_at, t.last_used_at";

fn from_row(row: &Row) -> Result<ApiToken, Error> {
    Ok(ApiToken {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        scopes: row.try_get("scopes")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        last_used_at: row.try_get("last_used_at")?,
    })
}

/// Adds a token of `user`. `token_hash`: SHA-256 of the whole token.
pub async fn insert(db: &impl GenericClient, user: Uuid, token: &ApiToken, token_hash: &[u8; 32]) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO api_tokens (id, user_id, name, token_hash, scopes, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .await?;
    db.execute(
        &statement,
        &[&token.id, &user, &token.name, &token_hash.as_slice(), &token.scopes, &token.created_at, &token.expires_at],
    )
    .await?;
    Ok(())
}

/// The token of that id and hash with its owner, unless it was revoked; whether it is in time is not looked at.
pub async fn by_hash(
    db: &impl GenericClient,
    id: Uuid,
    token_hash: &[u8; 32],
) -> Result<Option<(ApiToken, User)>, Error> {
    let query = format!(
        "SELECT {COLUMNS}, {} FROM api_tokens t JOIN users u ON u.id = t.user_id \
         WHERE t.id = $1 AND t.token_hash = $2 AND t.revoked_at IS NULL AND u.deleted_at IS NULL",
        users::COLUMNS
    );
    let statement = db.prepare_cached(&query).await?;
    let row = db.query_opt(&statement, &[&id, &token_hash.as_slice()]).await?;
    row.map(|row| Ok((from_row(&row)?, users::from_row(&row)?))).transpose()
}

/// Which of `ids` were not revoked.
pub async fn standing(db: &impl GenericClient, ids: &[Uuid]) -> Result<HashSet<Uuid>, Error> {
    let statement = db.prepare_cached("SELECT id FROM api_tokens WHERE id = ANY($1) AND revoked_at IS NULL").await?;
    db.query(&statement, &[&ids]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The token of that id with its owner, as [`by_hash`] gives it.
pub async fn with_user(db: &impl GenericClient, id: Uuid) -> Result<Option<(ApiToken, User)>, Error> {
    let query = format!(
        "SELECT {COLUMNS}, {} FROM api_tokens t JOIN users u ON u.id = t.user_id \
         WHERE t.id = $1 AND t.revoked_at IS NULL AND u.deleted_at IS NULL",
        users::COLUMNS
    );
    let statement = db.prepare_cached(&query).await?;
    let row = db.query_opt(&statement, &[&id]).await?;
    row.map(|row| Ok((from_row(&row)?, users::from_row(&row)?))).transpose()
}

/// A page of the tokens of the person `user` that were not revoked, newest first, and how many there are in all.
pub async fn list(
    db: &impl GenericClient,
    user: &str,
    words: &[String],
    offset: i64,
    limit: i64,
) -> Result<(Vec<ApiToken>, i64), Error> {
    let patterns = super::search::containing(words);
    let found = super::search::every_word_in("$2", &["t.name"]);
    let from = format!(
        "FROM api_tokens t JOIN users u ON u.id = t.user_id WHERE u.name = $1 AND t.revoked_at IS NULL AND {found}"
    );
    let page = format!("SELECT {COLUMNS} {from} ORDER BY t.created_at DESC, t.id OFFSET $3 LIMIT $4");
    let statement = db.prepare_cached(&page).await?;
    let rows = db.query(&statement, &[&user, &patterns, &offset, &limit]).await?;
    let count = db.prepare_cached(&format!("SELECT count(*) {from}")).await?;
    let total = db.query_one(&count, &[&user, &patterns]).await?.try_get(0)?;
    Ok((rows.iter().map(from_row).collect::<Result<_, _>>()?, total))
}

/// How many tokens of `user` work at `now`.
pub async fn count_working(db: &impl GenericClient, user: Uuid, now: Timestamp) -> Result<i64, Error> {
    let statement = db
        .prepare_cached("SELECT count(*) FROM api_tokens WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2")
        .await?;
    Ok(db.query_one(&statement, &[&user, &now]).await?.try_get(0)?)
}

/// Revokes the token `id` of the person `user` and returns it; `None`: they have none such.
pub async fn revoke(db: &impl GenericClient, user: &str, id: Uuid, now: Timestamp) -> Result<Option<ApiToken>, Error> {
    let query = format!(
        "UPDATE api_tokens t SET revoked_at = $3 FROM users u \
         WHERE t.id = $2 AND u.id = t.user_id AND u.name = $1 AND t.revoked_at IS NULL RETURNING {COLUMNS}"
    );
    let statement = db.prepare_cached(&query).await?;
    db.query_opt(&statement, &[&user, &id, &now]).await?.as_ref().map(from_row).transpose()
}

/// Revokes every token of `user`.
pub async fn revoke_all(db: &impl GenericClient, user: Uuid, now: Timestamp) -> Result<(), Error> {
    let statement =
        db.prepare_cached("UPDATE api_tokens SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL").await?;
    db.execute(&statement, &[&user, &now]).await?;
    Ok(())
}

/// Notes when tokens were last used; never moves one back.
pub async fn note_used(db: &impl GenericClient, used: &[(Uuid, Timestamp)]) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE api_tokens t SET last_used_at = greatest(t.last_used_at, n.used) \
             FROM unnest($1::uuid[], $2::timestamptz[]) AS n (id, used) WHERE t.id = n.id",
        )
        .await?;
    let (ids, times): (Vec<Uuid>, Vec<Timestamp>) = used.iter().copied().unzip();
    db.execute(&statement, &[&ids, &times]).await?;
    Ok(())
}

/// Removes the rows of tokens that were over before `before`.
pub async fn sweep(db: &impl GenericClient, before: Timestamp) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM api_tokens WHERE expires_at < $1 OR revoked_at < $1").await?;
    db.execute(&statement, &[&before]).await?;
    Ok(())
}
