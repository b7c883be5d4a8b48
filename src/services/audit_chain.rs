//! The chain over the audit's entries: numbering, hashing, verifying.
//!
//! Each link's hash covers the hash of the link before, its number and every field of its entry, so that an entry that
//! was changed, removed or put in later breaks the chain from there on. That the end was not cut off only somebody can
//! tell who noted a head elsewhere: the log does, every hour.

use std::{sync::Arc, time::Duration};

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    clock::{self, Clock},
    store::{
        Pool,
        audit::{self, Entry, Link},
    },
};

/// How often new entries get their links.
const EVERY: Duration = Duration::from_secs(1);
/// How often the head goes to the log.
const HEAD_EVERY_S: i64 = 3_600;
/// How many links are made or read at once.
const BATCH: i64 = 1_000;
/// An entry that is older and has no link was kept from getting one.
const UNLINKED_AGE_S: i32 = 60;

/// What the first link follows.
const BEGINNING: [u8; 32] = [0; 32];

/// Gives entries their links until `stop`, whichever replica's turn it is.
pub async fn run(pool: Pool, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let mut told_at: Option<i64> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock::sleep(&*clock, EVERY) => {}
        }
        if let Err(error) = extend(&pool).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the audit could not be chained");
            continue;
        }
        let now = clock.now().as_second();
        if told_at.is_none_or(|told| now - told >= HEAD_EVERY_S) && tell_head(&pool).await {
            told_at = Some(now);
        }
    }
}

/// Writes the head to the log. `false`: there is none yet, or it cannot be read.
async fn tell_head(pool: &Pool) -> bool {
    let Ok(Some(head)) = head(pool).await else { return false };
    tracing::info!(audit.number = head.number, audit.hash = hex::encode(&head.hash), "head of the audit");
    true
}

/// The newest link.
pub async fn head(pool: &Pool) -> Result<Option<Link>, Error> {
    audit::head(&pool.get().await?).await
}

/// Gives every entry that waits its link; returns how many there were. Does nothing while another replica does it.
pub async fn extend(pool: &Pool) -> Result<usize, Error> {
    let mut made = 0;
    loop {
        let batch = extend_once(pool).await?;
        made += batch;
        if batch < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            return Ok(made);
        }
    }
}

async fn extend_once(pool: &Pool) -> Result<usize, Error> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    if !audit::lock_chain(&transaction).await? {
        return Ok(0);
    }
    let entries = audit::pending(&transaction, BATCH).await?;
    if entries.is_empty() {
        return Ok(0);
    }
    let head = audit::head(&transaction).await?;
    let (mut number, mut hash) = head.map_or((0, BEGINNING.to_vec()), |head| (head.number, head.hash));
    let links: Vec<Link> = entries
        .iter()
        .map(|entry| {
            number += 1;
            hash = link_hash(&hash, number, entry).to_vec();
            Link { number, entry: entry.id, hash: hash.clone() }
        })
        .collect();
    audit::append(&transaction, &links).await?;
    transaction.commit().await?;
    Ok(links.len())
}

/// The hash of link `number`, which follows the one with the hash `previous`. Each part has its length in front, an
/// absent one is told from an empty one.
fn link_hash(previous: &[u8], number: i64, entry: &Entry) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let mut add = |part: Option<&[u8]>| {
        hasher.update([u8::from(part.is_some())]);
        let part = part.unwrap_or_default();
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    };
    let fact = &entry.fact;
    add(Some(previous));
    add(Some(&number.to_be_bytes()));
    add(Some(entry.id.as_bytes()));
    add(Some(&entry.time.as_microsecond().to_be_bytes()));
    for text in [Some(&fact.credential), Some(&fact.action), Some(&fact.result)] {
        add(text.map(String::as_bytes));
    }
    for text in [&fact.actor, &fact.address, &fact.target, &fact.request_id, &fact.before, &fact.after] {
        add(text.as_ref().map(String::as_bytes));
    }
    hasher.finalize().into()
}

/// What a check of the whole chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every link holds.
    Whole {
        /// How many links there are.
        links: i64,
        /// Hash of the newest, in hex; `None` for an empty audit.
        head: Option<String>,
    },
    /// The first link that does not hold.
    Broken {
        /// Its number.
        number: i64,
        /// Why, as a sentence.
        reason: String,
    },
    /// The chain holds, but entries are missing from it.
    Unlinked {
        /// The oldest of them.
        oldest: uuid::Uuid,
        /// How many.
        entries: i64,
    },
    /// The chain holds, but the head that was noted elsewhere is not in it: its end was cut off.
    Cut {
        /// The number of the last link that is there.
        links: i64,
    },
}

/// Checks every link in order. `noted`: a head that was noted elsewhere, in hex.
pub async fn verify(pool: &Pool, noted: Option<&str>) -> Result<Verdict, Error> {
    let client = pool.get().await?;
    let (mut number, mut hash, mut met) = (0, BEGINNING.to_vec(), noted.is_none());
    loop {
        let batch = audit::links_after(&client, number, BATCH).await?;
        if batch.is_empty() {
            break;
        }
        for (link, entry) in batch {
            if let Err(reason) = check(&link, entry.as_ref(), number, &hash) {
                return Ok(Verdict::Broken { number: number + 1, reason });
            }
            (number, hash) = (link.number, link.hash);
            met = met || noted.is_some_and(|noted| noted.eq_ignore_ascii_case(&hex::encode(&hash)));
        }
    }
    if !met {
        return Ok(Verdict::Cut { links: number });
    }
    Ok(match audit::unlinked(&client, UNLINKED_AGE_S).await? {
        Some((oldest, entries)) => Verdict::Unlinked { oldest, entries },
        None => Verdict::Whole { links: number, head: (number > 0).then(|| hex::encode(hash)) },
    })
}

/// Whether `link` follows the one that `number` and `hash` are of.
fn check(link: &Link, entry: Option<&Entry>, number: i64, hash: &[u8]) -> Result<(), String> {
    if link.number != number + 1 {
        return Err(format!("the link is missing: the next one there is number {}", link.number));
    }
    let entry = entry.ok_or_else(|| format!("its entry {} is missing", link.entry))?;
    if link_hash(hash, link.number, entry)[..] == link.hash[..] {
        return Ok(());
    }
    Err(format!("its entry {} of {} is not what was hashed", entry.id, entry.time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::audit::Fact;

    fn entry() -> Entry {
        Entry {
            id: uuid::Uuid::from_u128(7),
            time: "2026-01-02T03:04:05.000006Z".parse().unwrap(),
            fact: Fact {
                actor: Some("alice".into()),
                credential: "console".into(),
                address: Some("::1".into()),
                action: "user.create".into(),
                target: Some("user/bob".into()),
                result: "success".into(),
                request_id: Some("r-1".into()),
                before: None,
                after: Some(r#"{"name":"bob"}"#.into()),
            },
        }
    }

    /// Every way to change one field.
    fn changed() -> Vec<(&'static str, Entry)> {
        let change = |name, change: fn(&mut Entry)| {
            let mut entry = entry();
            change(&mut entry);
            (name, entry)
        };
        vec![
            change("id", |e| e.id = uuid::Uuid::from_u128(8)),
            change("time", |e| e.time = "2026-01-02T03:04:05.000007Z".parse().unwrap()),
            change("actor", |e| e.fact.actor = None),
            change("credential", |e| e.fact.credential = "none".into()),
            change("address", |e| e.fact.address = Some("::2".into())),
            change("action", |e| e.fact.action = "user.delete".into()),
            change("target", |e| e.fact.target = Some("user/eve".into())),
            change("result", |e| e.fact.result = "failed".into()),
            change("request id", |e| e.fact.request_id = None),
            change("before", |e| e.fact.before = Some(String::new())),
            change("after", |e| e.fact.after = Some(r#"{"name":"eve"}"#.into())),
            change("a value in another field", |e| std::mem::swap(&mut e.fact.before, &mut e.fact.after)),
        ]
    }

    #[test]
    fn the_hash_covers_every_field_the_number_and_the_link_before() {
        let whole = link_hash(&BEGINNING, 1, &entry());
        assert_eq!(whole, link_hash(&BEGINNING, 1, &entry()));
        for (what, entry) in changed() {
            assert_ne!(whole, link_hash(&BEGINNING, 1, &entry), "{what}");
        }
        assert_ne!(whole, link_hash(&BEGINNING, 2, &entry()));
        assert_ne!(whole, link_hash(&[1; 32], 1, &entry()));
    }

    #[test]
    fn the_hash_of_today_is_the_hash_of_every_later_release() {
        let hash = hex::encode(link_hash(&BEGINNING, 1, &entry()));
        assert_eq!(hash, "ca364c43d5d9c3bfc73e93a914b825467497ca9d8e3b5271f3e4e380840dc4cc");
    }
}
