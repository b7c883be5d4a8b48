//! Effects outside a transaction of ours, made safe to be cut off anywhere.
//!
//! The intent is written first and carries the name of what will be made; the object carries the intent's id;
//! "exists, with our intent's id" is success. What a killed request leaves over, the sweep closes or releases.

use std::{sync::Arc, time::Duration};

use kube::ResourceExt;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    audit::{self, Entry},
    quotas,
};
use crate::{
    App, Error,
    auth::Caller,
    clock,
    crd::{Session, SessionSpec},
    domain::{keys, names},
    objects::ObjectError,
    store::{self, audit::Fact, intents::Intent, reservations::Ask},
};

/// How often left-over intents are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How many are taken up at once.
const SWEEP_MOST: i64 = 100;
/// How often a name is drawn anew when it is taken.
const DRAWS: usize = 3;

/// What tells one wish from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The intent's id.
    pub id: Uuid,
    /// The part of the name that tells sessions apart.
    pub unique: u32,
    /// Whether the same wish may come again, with the same key.
    keyed: bool,
}

impl Wish {
    /// The wish of `user`; the same `key` makes the same wish.
    #[must_use]
    pub fn new(user: &str, key: Option<&str>) -> Self {
        let Some(key) = key else {
            let id = Uuid::new_v4();
            return Self { unique: unique(id.as_bytes()), id, keyed: false };
        };
        let digest: [u8; 32] = Sha256::new().chain_update(user).chain_update([0]).chain_update(key).finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self { id: uuid::Builder::from_custom_bytes(bytes).into_uuid(), unique: unique(&digest[16..]), keyed: true }
    }
}

fn unique(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// Creates `session`, or adopts what the same wish made before. `ask`: what it holds of its owner's limits.
///
/// # Errors
/// [`Error::QuotaExceeded`] where a limit does not allow it.
pub async fn create(
    app: &App,
    caller: &Caller,
    wish: &Wish,
    mut session: Session,
    mut ask: Ask,
) -> Result<Arc<Session>, Error> {
    for _ in 0..DRAWS {
        open(app, &intent(caller, wish, &session)?, &ask).await?;
        match create_or_adopt(app, wish, &session).await {
            Ok(created) => {
                close(app, caller, wish.id, &created).await?;
                return Ok(created);
            }
            Err(ObjectError::AlreadyExists { .. }) if !wish.keyed => {
                let other = unique(Uuid::new_v4().as_bytes());
                store::reservations::give_back(&app.pool.get().await?, &ask.session).await?;
                ask.session = names::session(&session.spec.user, &session.spec.template, other);
                session.metadata.name = Some(ask.session.clone());
            }
            // Not known whether it was made: the sweep finds out.
            Err(error @ (ObjectError::Unavailable(_) | ObjectError::Failed(_))) => return Err(error.into()),
            Err(error) => {
                release(app, wish.id, &ask).await?;
                return Err(error.into());
            }
        }
    }
    release(app, wish.id, &ask).await?;
    Err(Error::AlreadyExists { kind: "session", name: session.name_any() })
}

/// One transaction: what the session will hold, its name, what is asked.
async fn open(app: &App, intent: &Intent, ask: &Ask) -> Result<(), Error> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    quotas::admit(app, &transaction, ask).await?;
    store::intents::open(&transaction, intent).await?;
    Ok(transaction.commit().await?)
}

/// The session will not be: neither does it hold anything.
async fn release(app: &App, intent: Uuid, ask: &Ask) -> Result<(), Error> {
    let client = app.pool.get().await?;
    store::intents::release(&client, intent).await?;
    store::reservations::give_back(&client, &ask.session).await
}

fn intent(caller: &Caller, wish: &Wish, session: &Session) -> Result<Intent, Error> {
    let entry = entry("session.create", &session.name_any(), None::<&SessionSpec>, Some(&session.spec));
    Ok(Intent {
        id: wish.id,
        kind: "Session".into(),
        name: session.name_any(),
        actor: caller.user.clone(),
        object: serde_json::to_value(session).map_err(Error::internal)?,
        audit: serde_json::to_value(audit::fact(caller, entry)).map_err(Error::internal)?,
    })
}

async fn create_or_adopt(app: &App, wish: &Wish, session: &Session) -> Result<Arc<Session>, ObjectError> {
    match app.sessions.create(session).await {
        Err(error @ ObjectError::AlreadyExists { .. }) => {
            let there = app.sessions.store().get(&session.name_any()).await?;
            there.filter(|there| carries(there, wish.id)).map(Arc::new).ok_or(error)
        }
        other => other,
    }
}

/// Whether the object was made by that intent.
fn carries(session: &Session, intent: Uuid) -> bool {
    session.annotations().get(keys::INTENT).is_some_and(|id| *id == intent.to_string())
}

/// One transaction: the intent ends and the audit has its entry; once, however many try.
async fn close(app: &App, caller: &Caller, id: Uuid, created: &Session) -> Result<(), Error> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    if store::intents::close(&transaction, id).await? {
        let entry = entry("session.create", &created.name_any(), None::<&SessionSpec>, Some(&created.spec));
        audit::record(&transaction, caller, entry).await?;
    }
    Ok(transaction.commit().await?)
}

/// Audits a change of an object that has happened.
pub async fn audit(
    app: &App,
    caller: &Caller,
    action: &'static str,
    name: &str,
    before: Option<&impl Serialize>,
    after: Option<&impl Serialize>,
) -> Result<(), Error> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    audit::record(&transaction, caller, entry(action, name, before, after)).await?;
    Ok(transaction.commit().await?)
}

/// Closes or releases what killed requests left over, until `stop`.
pub async fn sweep(app: App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock::sleep(&*app.clock, SWEEP_EVERY) => {}
        }
        if let Err(error) = sweep_once(&app).await {
            tracing::warn!(error = %error, "left-over intents could not be looked at");
        }
    }
}

/// Looks once at what is left over.
pub async fn sweep_once(app: &App) -> Result<(), Error> {
    let left = store::intents::take_up(&app.pool.get().await?, SWEEP_MOST).await?;
    for intent in left {
        let there = app.sessions.store().get(&intent.name).await?;
        let mut client = app.pool.get().await?;
        if !there.is_some_and(|there| carries(&there, intent.id)) {
            store::intents::release(&client, intent.id).await?;
            continue;
        }
        let transaction = client.transaction().await?;
        if store::intents::close(&transaction, intent.id).await? {
            let fact: Fact = serde_json::from_value(intent.audit).map_err(Error::internal)?;
            store::audit::insert(&transaction, &fact).await?;
        }
        transaction.commit().await?;
    }
    store::intents::forget_closed(&app.pool.get().await?).await
}

/// The audit entry about an object.
fn entry(action: &'static str, name: &str, before: Option<&impl Serialize>, after: Option<&impl Serialize>) -> Entry {
    let noun = action.split('.').next().unwrap_or(action);
    let mut entry = Entry::new(action, format!("{noun}/{name}"));
    if let Some(before) = before {
        entry = entry.before(before);
    }
    if let Some(after) = after {
        entry = entry.after(after);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_of_the_same_person_is_the_same_wish_and_no_other_is() {
        assert_eq!(Wish::new("alice", Some("k")), Wish::new("alice", Some("k")));
        assert_ne!(Wish::new("alice", Some("k")).id, Wish::new("bob", Some("k")).id);
        assert_ne!(Wish::new("alice", Some("k")).id, Wish::new("alice", Some("l")).id);
        assert_ne!(Wish::new("alice", None).id, Wish::new("alice", None).id);
    }
}
