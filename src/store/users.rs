//! Accounts.

use std::collections::{BTreeSet, HashSet};

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use crate::{
    Error,
    domain::{
        names::is_dns_label,
        people::{AccountKind, Role},
    },
};

/// An account that was not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Never changes.
    pub id: Uuid,
    /// A DNS label; never changes, never given out again.
    pub name: String,
    /// Whose it is; never changes.
    pub kind: AccountKind,
    /// What is shown; may be empty.
    pub display_name: String,
    /// Where the person reads mail.
    pub email: Option<String>,
    /// What an administrator lets them do.
    pub roles: BTreeSet<Role>,
    /// What their identity providers let them do, as of their last sign-ins there.
    pub mapped_roles: BTreeSet<Role>,
    /// Whether they are kept out.
    pub disabled: bool,
    /// Whether they can sign in with a password.
    pub has_password: bool,
    /// Access tokens carry it; those of an older epoch have ended.
    pub epoch: i32,
    /// Grows with each change that is shown.
    pub version: i64,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Their last sign-in; `None`: they never did.
    pub last_sign_in_at: Option<Timestamp>,
}

impl User {
    /// A new account of a person that may do nothing and says nothing of its owner.
    #[must_use]
    pub fn new(name: String, now: Timestamp) -> Self {
        Self {
            id: Uuid::now_v7(),
            name,
            kind: AccountKind::Person,
            display_name: String::new(),
            email: None,
            roles: BTreeSet::new(),
            mapped_roles: BTreeSet::new(),
            disabled: false,
            has_password: false,
            epoch: 0,
            version: 1,
            created_at: now,
            last_sign_in_at: None,
        }
    }

    /// Everything that they may do, whoever lets them.
    #[must_use]
    pub fn all_roles(&self) -> BTreeSet<Role> {
        self.roles.union(&self.mapped_roles).copied().collect()
    }
}

/// The columns of [`User`], in a query where the table is called `u`.
pub(super) const COLUMNS: &str = "u.id AS user_id, u.name AS user_name, u.kind, u.display_name, u.email, u.roles, u.mapped_roles, \
    u.disabled, u.password_hash IS NOT NULL AS has_password, u.epoch, u.version, u.created_at AS user_created_at, u.last_sign_in_at";

/// The account in `row`, which has [`COLUMNS`].
pub(super) fn from_row(row: &Row) -> Result<User, Error> {
    Ok(User {
        id: row.try_get("user_id")?,
        name: row.try_get("user_name")?,
        kind: AccountKind::from_word(row.try_get("kind")?).unwrap_or_default(),
        display_name: row.try_get("display_name")?,
        email: row.try_get("email")?,
        roles: read_roles(row, "roles")?,
        mapped_roles: read_roles(row, "mapped_roles")?,
        disabled: row.try_get("disabled")?,
        has_password: row.try_get("has_password")?,
        epoch: row.try_get("epoch")?,
        version: row.try_get("version")?,
        created_at: row.try_get("user_created_at")?,
        last_sign_in_at: row.try_get("last_sign_in_at")?,
    })
}

/// The roles in a column of words; one that this release does not know gives nothing.
pub(super) fn read_roles(row: &Row, column: &str) -> Result<BTreeSet<Role>, Error> {
    let words: Vec<String> = row.try_get(column)?;
    Ok(words.iter().filter_map(|word| Role::from_word(word)).collect())
}

/// The words of `roles`, as columns keep them.
pub(super) fn words(roles: &BTreeSet<Role>) -> Vec<&'static str> {
    roles.iter().map(|role| role.word()).collect()
}

/// Adds an account without a password, whose mapped roles are empty.
///
/// # Errors
/// [`Error::AlreadyExists`] for a name that is or was in use.
pub async fn insert(db: &impl GenericClient, user: &User) -> Result<(), Error> {
    if insert_if_free(db, user).await? {
        return Ok(());
    }
    Err(Error::AlreadyExists { kind: "user", name: user.name.clone() })
}

/// As [`insert`]; `false`: the name is or was in use.
pub async fn insert_if_free(db: &impl GenericClient, user: &User) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO users (id, name, display_name, email, roles, disabled, epoch, version, created_at, kind) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (name) DO NOTHING",
        )
        .await?;
    let (roles, kind) = (words(&user.roles), user.kind.word());
    let values: &[&(dyn ToSql + Sync)] = &[
        &user.id,
        &user.name,
        &user.display_name,
        &user.email,
        &roles,
        &user.disabled,
        &user.epoch,
        &user.version,
        &user.created_at,
        &kind,
    ];
    Ok(db.execute(&statement, values).await? > 0)
}

/// Which names that are `base`, or `base` with a hyphen and more behind it, are or were in use.
pub async fn names_like(db: &impl GenericClient, base: &str) -> Result<BTreeSet<String>, Error> {
    let statement = db.prepare_cached("SELECT name FROM users WHERE name = $1 OR starts_with(name, $1 || '-')").await?;
    db.query(&statement, &[&base]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The account of that name; the database is not asked about a name that none can have.
pub async fn by_name(db: &impl GenericClient, name: &str) -> Result<Option<User>, Error> {
    if is_dns_label(name) { one(db, "u.name = $1", "", &name).await } else { Ok(None) }
}

/// The account of that name, locked until the transaction ends.
pub async fn by_name_locked(db: &impl GenericClient, name: &str) -> Result<Option<User>, Error> {
    if is_dns_label(name) { one(db, "u.name = $1", "FOR UPDATE", &name).await } else { Ok(None) }
}

/// The account of that id.
pub async fn by_id(db: &impl GenericClient, id: Uuid) -> Result<Option<User>, Error> {
    one(db, "u.id = $1", "", &id).await
}

/// The account of that id, locked until the transaction ends.
pub async fn by_id_locked(db: &impl GenericClient, id: Uuid) -> Result<Option<User>, Error> {
    one(db, "u.id = $1", "FOR UPDATE", &id).await
}

async fn one(
    db: &impl GenericClient,
    condition: &str,
    lock: &str,
    value: &(dyn ToSql + Sync),
) -> Result<Option<User>, Error> {
    let query = format!("SELECT {COLUMNS} FROM users u WHERE {condition} AND u.deleted_at IS NULL {lock}");
    let statement = db.prepare_cached(&query).await?;
    db.query_opt(&statement, &[value]).await?.as_ref().map(from_row).transpose()
}

/// The accounts of those ids.
pub async fn by_ids(db: &impl GenericClient, ids: &[Uuid]) -> Result<Vec<User>, Error> {
    let query = format!("SELECT {COLUMNS} FROM users u WHERE u.id = ANY($1) AND u.deleted_at IS NULL");
    let statement = db.prepare_cached(&query).await?;
    db.query(&statement, &[&ids]).await?.iter().map(from_row).collect()
}

/// What accounts can be sorted by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(missing_docs, reason = "named as the fields")]
pub enum SortKey {
    Name,
    CreatedAt,
    LastSignInAt,
}

/// Which accounts to list.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Each occurs in name, shown name or e-mail address, in any case.
    pub words: Vec<String>,
    /// Whose; `None`: both.
    pub kind: Option<AccountKind>,
    /// Keys in order, `true` for descending; the name decides in the end.
    pub sort: Vec<(SortKey, bool)>,
    /// How many to skip.
    pub offset: i64,
    /// How many to return at most.
    pub limit: i64,
}

/// A page of accounts, and how many there are in all.
pub async fn list(db: &impl GenericClient, query: &Query) -> Result<(Vec<User>, i64), Error> {
    let patterns = super::search::containing(&query.words);
    let found = super::search::every_word_in("$1", &["u.name", "u.display_name", "u.email"]);
    let kind = query.kind.map(AccountKind::word);
    let from = format!("FROM users u WHERE u.deleted_at IS NULL AND ($2::text IS NULL OR u.kind = $2) AND {found}");
    let order = query.sort.iter().fold(String::new(), |order, (key, descending)| {
        let column = match key {
            SortKey::Name => "u.name",
            SortKey::CreatedAt => "u.created_at",
            SortKey::LastSignInAt => "u.last_sign_in_at",
        };
        order + column + if *descending { " DESC NULLS LAST, " } else { " ASC NULLS FIRST, " }
    });
    let page = format!("SELECT {COLUMNS} {from} ORDER BY {order}u.name OFFSET $3 LIMIT $4");
    let statement = db.prepare_cached(&page).await?;
    let rows = db.query(&statement, &[&patterns, &kind, &query.offset, &query.limit]).await?;
    let count = db.prepare_cached(&format!("SELECT count(*) {from}")).await?;
    let total = db.query_one(&count, &[&patterns, &kind]).await?.try_get(0)?;
    Ok((rows.iter().map(from_row).collect::<Result<_, _>>()?, total))
}

/// Those of `names` whose account is disabled or was deleted.
pub async fn disabled_among(db: &impl GenericClient, names: &[&str]) -> Result<HashSet<String>, Error> {
    let statement = db.prepare_cached("SELECT name FROM users WHERE disabled AND name = ANY($1)").await?;
    db.query(&statement, &[&names]).await?.iter().map(|row| Ok(row.try_get("name")?)).collect()
}

/// Writes what can be changed about `user`; its version becomes one more than it says.
pub async fn update(db: &impl GenericClient, user: &User) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE users SET display_name = $2, email = $3, roles = $4, disabled = $5, epoch = $6, version = $7::bigint + 1 \
             WHERE id = $1",
        )
        .await?;
    let roles = words(&user.roles);
    let values: &[&(dyn ToSql + Sync)] =
        &[&user.id, &user.display_name, &user.email, &roles, &user.disabled, &user.epoch, &user.version];
    db.execute(&statement, values).await?;
    Ok(())
}

/// Writes what the person's identity providers let them do; its version becomes one more.
pub async fn set_mapped_roles(db: &impl GenericClient, id: Uuid, roles: &BTreeSet<Role>) -> Result<(), Error> {
    let statement =
        db.prepare_cached("UPDATE users SET mapped_roles = $2, version = version + 1 WHERE id = $1").await?;
    db.execute(&statement, &[&id, &words(roles)]).await?;
    Ok(())
}

/// Erases what is known of the person; the name stays taken.
pub async fn erase(db: &impl GenericClient, id: Uuid, now: Timestamp) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE users SET display_name = '', email = NULL, roles = '{}', mapped_roles = '{}', disabled = true, password_hash = NULL, \
             epoch = epoch + 1, version = version + 1, deleted_at = $2 WHERE id = $1",
        )
        .await?;
    db.execute(&statement, &[&id, &now]).await?;
    Ok(())
}

/// The account of that name with the hash of its password, where it has one.
pub async fn by_name_with_hash(db: &impl GenericClient, name: &str) -> Result<Option<(User, Option<String>)>, Error> {
    let query = format!("SELECT {COLUMNS}, u.password_hash FROM users u WHERE u.name = $1 AND u.deleted_at IS NULL");
    let statement = db.prepare_cached(&query).await?;
    let row = db.query_opt(&statement, &[&name]).await?;
    row.map(|row| Ok((from_row(&row)?, row.try_get("password_hash")?))).transpose()
}

/// Keeps a new password's hash and ends the access tokens that were issued before.
pub async fn set_password(db: &impl GenericClient, id: Uuid, hash: &str) -> Result<(), Error> {
    let statement = db.prepare_cached("UPDATE users SET password_hash = $2, epoch = epoch + 1 WHERE id = $1").await?;
    db.execute(&statement, &[&id, &hash]).await?;
    Ok(())
}

/// Keeps another hash of the same password, unless the password was changed meanwhile.
pub async fn rehash_password(db: &impl GenericClient, id: Uuid, old: &str, new: &str) -> Result<(), Error> {
    let statement =
        db.prepare_cached("UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2").await?;
    db.execute(&statement, &[&id, &old, &new]).await?;
    Ok(())
}

/// Notes a sign-in.
pub async fn note_sign_in(db: &impl GenericClient, id: Uuid, now: Timestamp) -> Result<(), Error> {
    let statement = db.prepare_cached("UPDATE users SET last_sign_in_at = $2 WHERE id = $1").await?;
    db.execute(&statement, &[&id, &now]).await?;
    Ok(())
}

/// The administrators who can sign in, locked until the transaction ends, so that two who are removed at once
/// are removed one after the other.
pub async fn administrators_locked(db: &impl GenericClient) -> Result<Vec<Uuid>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT id FROM users WHERE 'admin' = ANY(roles) AND kind = 'person' AND NOT disabled AND deleted_at IS NULL \
             ORDER BY id FOR UPDATE",
        )
        .await?;
    db.query(&statement, &[]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Keeps others from making the first account until the transaction ends; then: whether there is any account, and
/// whether anybody ever signed in.
pub async fn beginnings_locked(db: &impl GenericClient) -> Result<(bool, bool), Error> {
    db.batch_execute("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE").await?;
    let statement = db
        .prepare_cached("SELECT count(*) > 0, coalesce(bool_or(last_sign_in_at IS NOT NULL), false) FROM users")
        .await?;
    let row = db.query_one(&statement, &[]).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}
