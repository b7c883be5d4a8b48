//! Who people are at identity providers.

use std::collections::BTreeSet;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::users::{read_roles, words};
use crate::{Error, domain::people::Role};

/// Somebody, as an identity provider knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// Its own id of the person.
    pub subject: &'a str,
}

/// Keeps others from signing `who` in until the transaction ends, so that two first sign-ins at once make one account.
pub async fn lock(db: &impl GenericClient, who: Who<'_>) -> Result<(), Error> {
    let statement = db.prepare_cached("SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0))").await?;
    db.execute(&statement, &[&who.issuer, &who.subject]).await?;
    Ok(())
}

/// The account of `who`, and the roles that it has through this identity; `None`: they never signed in here.
pub async fn find(db: &impl GenericClient, who: Who<'_>) -> Result<Option<(Uuid, BTreeSet<Role>)>, Error> {
    let statement =
        db.prepare_cached("SELECT user_id, roles FROM identities WHERE issuer = $1 AND subject = $2").await?;
    let row = db.query_opt(&statement, &[&who.issuer, &who.subject]).await?;
    row.map(|row| Ok((row.try_get("user_id")?, read_roles(&row, "roles")?))).transpose()
}

/// Notes a sign-in of `who`, whose account is `user`, with the roles that it gave.
pub async fn note(
    db: &impl GenericClient,
    who: Who<'_>,
    user: Uuid,
    roles: &BTreeSet<Role>,
    now: Timestamp,
) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO identities (id, issuer, subject, user_id, roles, created_at, last_sign_in_at) \
             VALUES ($6, $1, $2, $3, $4, $5, $5) \
             ON CONFLICT (issuer, subject) DO UPDATE SET roles = excluded.roles, last_sign_in_at = $5",
        )
        .await?;
    db.execute(&statement, &[&who.issuer, &who.subject, &user, &words(roles), &now, &Uuid::now_v7()]).await?;
    Ok(())
}

/// The roles that the person `user` has through identities other than `who`.
pub async fn roles_elsewhere(db: &impl GenericClient, user: Uuid, who: Who<'_>) -> Result<BTreeSet<Role>, Error> {
    let statement =
        db.prepare_cached("SELECT roles FROM identities WHERE user_id = $1 AND (issuer, subject) <> ($2, $3)").await?;
    let rows = db.query(&statement, &[&user, &who.issuer, &who.subject]).await?;
    let each = rows.iter().map(|row| read_roles(row, "roles")).collect::<Result<Vec<_>, _>>()?;
    Ok(each.into_iter().flatten().collect())
}

/// Removes the identities of the person `user`: whoever signs in with one of them later is somebody new.
pub async fn forget(db: &impl GenericClient, user: Uuid) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM identities WHERE user_id = $1").await?;
    db.execute(&statement, &[&user]).await?;
    Ok(())
}

/// An identity of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id here.
    pub id: Uuid,
    /// The provider.
    pub issuer: String,
    /// Its own id of the person.
    pub subject: String,
    /// Since when it is the account's.
    pub created_at: Timestamp,
    /// Its last sign-in; `None`: it was joined and not used since.
    pub last_sign_in_at: Option<Timestamp>,
}

/// The identities of the person `user`, the oldest first.
pub async fn of_user(db: &impl GenericClient, user: Uuid) -> Result<Vec<Identity>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT id, issuer, subject, created_at, last_sign_in_at FROM identities WHERE user_id = $1 \
             ORDER BY created_at, id",
        )
        .await?;
    let identity = |row: &Row| {
        Ok(Identity {
            id: row.try_get("id")?,
            issuer: row.try_get("issuer")?,
            subject: row.try_get("subject")?,
            created_at: row.try_get("created_at")?,
            last_sign_in_at: row.try_get("last_sign_in_at")?,
        })
    };
    db.query(&statement, &[&user]).await?.iter().map(identity).collect()
}

/// Joins an identity, which nobody has, to the person `user`.
pub async fn insert(db: &impl GenericClient, user: Uuid, identity: &Identity) -> Result<(), Error> {
    let statement = db
        .prepare_cached("INSERT INTO identities (id, issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4, $5)")
        .await?;
    let Identity { id, issuer, subject, created_at, last_sign_in_at: _ } = identity;
    db.execute(&statement, &[id, issuer, subject, &user, created_at]).await?;
    Ok(())
}

/// Takes an identity from whoever has it.
pub async fn delete(db: &impl GenericClient, who: Who<'_>) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM identities WHERE issuer = $1 AND subject = $2").await?;
    db.execute(&statement, &[&who.issuer, &who.subject]).await?;
    Ok(())
}
