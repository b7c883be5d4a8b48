//! The audit: entries, and the chain over them. Rows are inserted and read, nothing else.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Error, domain::lists::COUNTED};

/// What an entry says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// Who: the person's name. `None`: somebody who is not known.
    pub actor: Option<String>,
    /// How they were known: `sign-in`, `token {id}`, `access {id}`, `none`, `console`.
    pub credential: String,
    /// From where.
    pub address: Option<String>,
    /// What, as `noun.verb`.
    pub action: String,
    /// On what, as `kind/name`.
    pub target: Option<String>,
    /// `success`, `refused` or `failed`.
    pub result: String,
    /// The request.
    pub request_id: Option<String>,
    /// What was there, as JSON text without secrets.
    pub before: Option<String>,
    /// What is there now, as JSON text without secrets.
    pub after: Option<String>,
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: Uuid,
    /// When, by the database's clock, to the microsecond.
    pub time: Timestamp,
    /// What it says.
    pub fact: Fact,
}

/// A link of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its place, from 1.
    pub number: i64,
    /// The entry that it covers.
    pub entry: Uuid,
    /// SHA-256 over the link before and the entry.
    pub hash: Vec<u8>,
}

const COLUMNS: &str = "e.id, e.time, e.actor, e.credential, e.address, e.action, e.target, e.result, e.request_id, \
    e.before::text AS before, e.after::text AS after";

fn entry(row: &Row) -> Result<Entry, Error> {
    Ok(Entry {
        id: row.try_get("id")?,
        time: row.try_get("time")?,
        fact: Fact {
            actor: row.try_get("actor")?,
            credential: row.try_get("credential")?,
            address: row.try_get("address")?,
            action: row.try_get("action")?,
            target: row.try_get("target")?,
            result: row.try_get("result")?,
            request_id: row.try_get("request_id")?,
            before: row.try_get("before")?,
            after: row.try_get("after")?,
        },
    })
}

fn link(row: &Row) -> Result<Link, Error> {
    Ok(Link { number: row.try_get("number")?, entry: row.try_get("entry")?, hash: row.try_get("hash")? })
}

/// Adds an entry; belongs into the transaction of what it tells.
pub async fn insert(db: &impl GenericClient, fact: &Fact) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "INSERT INTO audit_entries (id, actor, credential, address, action, target, result, request_id, before, \
             after) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::json, $10::text::json)",
        )
        .await?;
    let Fact { actor, credential, address, action, target, result, request_id, before, after } = fact;
    let id = Uuid::now_v7();
    db.execute(&statement, &[&id, actor, credential, address, action, target, result, request_id, before, after])
        .await?;
    Ok(())
}

/// Which entries to list; an absent part lets all pass.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only what this person did, or what was done to their account.
    pub about: Option<String>,
    /// Who.
    pub actor: Option<String>,
    /// What, or the noun of it.
    pub action: Option<String>,
    /// On what.
    pub target: Option<String>,
    /// With which result.
    pub result: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Each occurs in actor, action, target, address or request id, in any case.
    pub words: Vec<String>,
    /// The oldest first.
    pub ascending: bool,
    /// How many to skip.
    pub offset: i64,
    /// How many to return at most.
    pub limit: i64,
}

/// A page of entries, and how many there are, counted to [`COUNTED`] and one.
pub async fn list(db: &impl GenericClient, query: &Query) -> Result<(Vec<Entry>, i64), Error> {
    const WHERE: &str = "($1::text IS NULL OR e.actor = $1 OR e.target = 'user/' || $1) \
        AND ($2::text IS NULL OR e.actor = $2) \
        AND ($3::text IS NULL OR e.action = $3 OR split_part(e.action, '.', 1) = $3) \
        AND ($4::text IS NULL OR e.target = $4) AND ($5::text IS NULL OR e.result = $5) \
        AND ($6::timestamptz IS NULL OR e.time >= $6) AND ($7::timestamptz IS NULL OR e.time < $7)";
    let patterns = super::search::containing(&query.words);
    let found = super::search::every_word_in("$8", &["e.actor", "e.action", "e.target", "e.address", "e.request_id"]);
    let Query { about, actor, action, target, result, from, to, offset, limit, .. } = query;
    let direction = if query.ascending { "ASC" } else { "DESC" };
    let page = format!(
        "SELECT {COLUMNS} FROM audit_entries e WHERE {WHERE} AND {found} ORDER BY e.time {direction}, e.id {direction} \
         OFFSET $9 LIMIT $10"
    );
    let statement = db.prepare_cached(&page).await?;
    let rows =
        db.query(&statement, &[about, actor, action, target, result, from, to, &patterns, offset, limit]).await?;
    let count =
        format!("SELECT count(*) FROM (SELECT 1 FROM audit_entries e WHERE {WHERE} AND {found} LIMIT $9) AS counted");
    let statement = db.prepare_cached(&count).await?;
    let total = db
        .query_one(&statement, &[about, actor, action, target, result, from, to, &patterns, &(COUNTED + 1)])
        .await?
        .try_get(0)?;
    Ok((rows.iter().map(entry).collect::<Result<_, _>>()?, total))
}

/// Whether this transaction is the one that may add links until it ends.
pub async fn lock_chain(db: &impl GenericClient) -> Result<bool, Error> {
    let statement = db.prepare_cached("SELECT pg_try_advisory_xact_lock(hashtext('streamspace audit chain'))").await?;
    Ok(db.query_one(&statement, &[]).await?.try_get(0)?)
}

/// The newest link.
pub async fn head(db: &impl GenericClient) -> Result<Option<Link>, Error> {
    let statement =
        db.prepare_cached("SELECT number, entry, hash FROM audit_links ORDER BY number DESC LIMIT 1").await?;
    db.query_opt(&statement, &[]).await?.as_ref().map(link).transpose()
}

/// Entries that have no link yet, the oldest first, at most `limit`.
pub async fn pending(db: &impl GenericClient, limit: i64) -> Result<Vec<Entry>, Error> {
    let query = format!(
        "SELECT {COLUMNS} FROM audit_pending p JOIN audit_entries e ON e.id = p.entry ORDER BY e.time, e.id LIMIT $1"
    );
    let statement = db.prepare_cached(&query).await?;
    db.query(&statement, &[&limit]).await?.iter().map(entry).collect()
}

/// Adds links; their entries wait no longer.
pub async fn append(db: &impl GenericClient, links: &[Link]) -> Result<(), Error> {
    let numbers: Vec<i64> = links.iter().map(|link| link.number).collect();
    let entries: Vec<Uuid> = links.iter().map(|link| link.entry).collect();
    let hashes: Vec<&[u8]> = links.iter().map(|link| link.hash.as_slice()).collect();
    let insert = db
        .prepare_cached(
            "INSERT INTO audit_links (number, entry, hash) SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bytea[])",
        )
        .await?;
    db.execute(&insert, &[&numbers, &entries, &hashes]).await?;
    let remove = db.prepare_cached("DELETE FROM audit_pending WHERE entry = ANY($1)").await?;
    db.execute(&remove, &[&entries]).await?;
    Ok(())
}

/// The links after `number` in order with their entries, at most `limit`; `None` where the entry is gone.
pub async fn links_after(
    db: &impl GenericClient,
    number: i64,
    limit: i64,
) -> Result<Vec<(Link, Option<Entry>)>, Error> {
    let query = format!(
        "SELECT l.number, l.entry, l.hash, e.id IS NOT NULL AS found, {COLUMNS} FROM audit_links l \
         LEFT JOIN audit_entries e ON e.id = l.entry WHERE l.number > $1 ORDER BY l.number LIMIT $2"
    );
    let statement = db.prepare_cached(&query).await?;
    let rows = db.query(&statement, &[&number, &limit]).await?;
    rows.iter()
        .map(|row| {
            let found: bool = row.try_get("found")?;
            Ok((link(row)?, found.then(|| entry(row)).transpose()?))
        })
        .collect()
}

/// Entries older than `age_s` seconds that are in no link: the oldest, and how many.
pub async fn unlinked(db: &impl GenericClient, age_s: i32) -> Result<Option<(Uuid, i64)>, Error> {
    let statement = db
        .prepare_cached(
            "SELECT (array_agg(e.id ORDER BY e.time, e.id))[1], count(*) FROM audit_entries e \
             WHERE e.time < clock_timestamp() - make_interval(secs => $1) \
             AND NOT EXISTS (SELECT 1 FROM audit_links l WHERE l.entry = e.id)",
        )
        .await?;
    let row = db.query_one(&statement, &[&f64::from(age_s)]).await?;
    let oldest: Option<Uuid> = row.try_get(0)?;
    oldest.map(|oldest| Ok((oldest, row.try_get(1)?))).transpose()
}
