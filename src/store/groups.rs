//! Groups and their members.

use std::collections::BTreeSet;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::teams::{Kind, from_row};
use crate::{Error, domain::people::Team};

/// The source of memberships that an administrator gave.
pub const MANUAL: &str = "manual";

/// Somebody who belongs to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The person's name.
    pub user: String,
    /// What is shown for them; may be empty.
    pub display_name: String,
    /// Who says so: [`MANUAL`] or identity providers; not empty.
    pub sources: BTreeSet<String>,
    /// Since when.
    pub since: Timestamp,
}

/// A page of the groups in which each of `words` occurs, by name, and how many there are in all.
pub async fn list(
    db: &impl GenericClient,
    words: &[String],
    offset: i64,
    limit: i64,
) -> Result<(Vec<Team>, i64), Error> {
    let patterns = super::search::containing(words);
    let from = format!("FROM groups t WHERE {}", super::search::every_word_in("$1", &["t.name", "t.display_name"]));
    let page = format!("SELECT {} {from} ORDER BY t.name OFFSET $2 LIMIT $3", Kind::Group.columns());
    let rows = db.query(&db.prepare_cached(&page).await?, &[&patterns, &offset, &limit]).await?;
    let count = db.prepare_cached(&format!("SELECT count(*) {from}")).await?;
    let total = db.query_one(&count, &[&patterns]).await?.try_get(0)?;
    Ok((rows.iter().map(from_row).collect::<Result<_, _>>()?, total))
}

/// Who belongs to a group, by name.
pub async fn members(db: &impl GenericClient, group: &str) -> Result<Vec<Member>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT u.name, u.display_name, array_agg(m.source) AS sources, min(m.added_at) AS since
             FROM group_members m JOIN users u ON u.id = m.user_id
             WHERE m.group_name = $1 GROUP BY u.id ORDER BY u.name",
        )
        .await?;
    let member = |row: &Row| {
        let sources: Vec<String> = row.try_get("sources")?;
        Ok(Member {
            user: row.try_get("name")?,
            display_name: row.try_get("display_name")?,
            sources: sources.into_iter().collect(),
            since: row.try_get("since")?,
        })
    };
    db.query(&statement, &[&group]).await?.iter().map(member).collect()
}

/// Lets somebody belong to a group on the word of `source`; `false`: they did already.
pub async fn join(
    db: &impl GenericClient,
    group: &str,
    user: Uuid,
    source: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let statement = db
        .prepare_cached(
            "WITH joined AS (
                 INSERT INTO group_members (group_name, user_id, source, added_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING RETURNING group_name
             )
             UPDATE groups SET version = version + 1 WHERE name IN (SELECT group_name FROM joined)",
        )
        .await?;
    Ok(db.execute(&statement, &[&group, &user, &source, &now]).await? == 1)
}

/// The names of the groups that somebody belongs to, sorted.
pub async fn of_user(db: &impl GenericClient, user: &str) -> Result<Vec<String>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT DISTINCT m.group_name FROM group_members m JOIN users u ON u.id = m.user_id
             WHERE u.name = $1 ORDER BY 1",
        )
        .await?;
    db.query(&statement, &[&user]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Names of the groups that somebody belongs to on the word of `source`.
pub async fn of_source(db: &impl GenericClient, user: Uuid, source: &str) -> Result<BTreeSet<String>, Error> {
    let statement =
        db.prepare_cached("SELECT group_name FROM group_members WHERE user_id = $1 AND source = $2").await?;
    db.query(&statement, &[&user, &source]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Makes `names` the groups that somebody belongs to on the word of `source`, and ends its other memberships. A name that
/// is no group is passed over.
pub async fn set_of_source(
    db: &impl GenericClient,
    user: Uuid,
    source: &str,
    names: &BTreeSet<String>,
    now: Timestamp,
) -> Result<(), Error> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let statement = db
        .prepare_cached(
            "WITH gone AS (
                 DELETE FROM group_members WHERE user_id = $1 AND source = $2 AND group_name <> ALL($3)
                 RETURNING group_name
             ), joined AS (
                 INSERT INTO group_members (group_name, user_id, source, added_at)
                 SELECT name, $1, $2, $4 FROM groups WHERE name = ANY($3) ON CONFLICT DO NOTHING RETURNING group_name
             )
             UPDATE groups SET version = version + 1
             WHERE name IN (SELECT group_name FROM gone UNION SELECT group_name FROM joined)",
        )
        .await?;
    db.execute(&statement, &[&user, &source, &names, &now]).await?;
    Ok(())
}
