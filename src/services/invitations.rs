//! Links with which whoever is signed in gives themselves a share of a session.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use uuid::Uuid;

use super::{
    audit::{self, Entry},
    rights,
    shares::{self, With},
};
pub use crate::store::invitations::Invitation;
use crate::{
    App, Error,
    auth::{
        Caller, decode_secret, encode_secret,
        secret::{random, sha256},
    },
    crd::Session,
    domain::sharing::Level,
    store,
};

/// Most people who can come by one link.
pub const MOST_USES: i32 = 100;
/// Longest time for which a link is good.
const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Most links to a session that are good at once.
const MOST: usize = 20;

/// What an invitation is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewInvitation {
    /// How far it lets in.
    pub level: Level,
    /// For how many people: 1 to [`MOST_USES`].
    pub uses: i32,
    /// Until when it can be accepted: at most 30 days ahead.
    pub expires_at: Timestamp,
}

/// An invitation as the audit shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: Uuid,
    level: Level,
    uses: i32,
    expires_at: Timestamp,
}

impl From<&Invitation> for Shown {
    fn from(invitation: &Invitation) -> Self {
        let Invitation { id, level, uses_left, expires_at, .. } = *invitation;
        Self { id, level, uses: uses_left, expires_at }
    }
}

/// The invitations to a session that still let in, oldest first.
///
/// # Errors
/// Those of [`shares::list`].
pub async fn list(app: &App, caller: &Caller, id: &str) -> Result<Vec<Invitation>, Error> {
    let session = shares::overseen(app, caller, id).await?;
    store::invitations::of_session(&app.pool.get().await?, &shares::uid(&session), app.clock.now()).await
}

/// Makes an invitation; returns it with the page address that is told this once. Its secret stands in the fragment,
/// which browsers do not send.
///
/// # Errors
/// [`Error::Invalid`] for a number of uses or an end out of bounds, and what refuses a share of that level.
pub async fn create(
    app: &App,
    caller: &Caller,
    id: &str,
    new: NewInvitation,
) -> Result<(Invitation, SecretString), Error> {
    let session = shares::given(app, caller, id, new.level).await?;
    let now = app.clock.now();
    if !(1..=MOST_USES).contains(&new.uses) {
        return Err(Error::field("uses", format!("must lie between 1 and {MOST_USES}")));
    }
    if new.expires_at <= now || new.expires_at > now + LONGEST {
        return Err(Error::field("expiresAt", "must lie ahead, by 30 days at most"));
    }
    let (secret, id) = (random(), Uuid::now_v7());
    let invitation = Invitation {
        id,
        session: session.name_any(),
        session_uid: shares::uid(&session),
        level: new.level,
        uses_left: new.uses,
        expires_at: new.expires_at,
        created_by: caller.user.clone(),
        created_at: now,
    };
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    if store::invitations::of_session(&transaction, &invitation.session_uid, now).await?.len() >= MOST {
        return Err(Error::Conflict(format!("there are {MOST} links to it already: withdraw one")));
    }
    store::invitations::insert(&transaction, &invitation, &sha256(&secret)).await?;
    let entry = Entry::new("session.invite", shares::target(&invitation.session)).after(&Shown::from(&invitation));
    audit::record(&transaction, caller, entry).await?;
    transaction.commit().await?;
    Ok((invitation, url(app, &secret)))
}

fn url(app: &App, secret: &[u8; 32]) -> SecretString {
    let mut url = app.config.http.public_url();
    url.set_path("/invitation");
    url.set_fragment(Some(&format!("invitation={}", encode_secret(secret))));
    String::from(url).into()
}

/// Withdraws an invitation; who accepted it stays.
///
/// # Errors
/// [`Error::NotFound`] for one that is not there, and what refuses a share of its level.
pub async fn delete(app: &App, caller: &Caller, id: &str, invitation: Uuid) -> Result<(), Error> {
    let session = shares::overseen(app, caller, id).await?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let found = store::invitations::delete(&transaction, &shares::uid(&session), invitation).await?;
    let found = found.ok_or_else(|| Error::not_found("invitation", invitation.to_string()))?;
    if rights::gives(caller, &session).is_none_or(|most| most < found.level) {
        return Err(rights::not_yours(caller, &session));
    }
    let entry = Entry::new("session.uninvite", shares::target(id)).before(&Shown::from(&found));
    audit::record(&transaction, caller, entry).await?;
    Ok(transaction.commit().await?)
}

/// What a link invites to, as one sees it who has not accepted it.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The session.
    pub session: Arc<Session>,
    /// How far it lets in.
    pub level: Level,
}

/// Looks what a link invites to, without accepting it.
///
/// # Errors
/// [`Error::NotFound`] for one that was used up or withdrawn, has run out or never was.
pub async fn look(app: &App, secret: &SecretString) -> Result<Looked, Error> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let (invitation, session) = good(app, &transaction, secret).await?;
    Ok(Looked { session, level: invitation.level })
}

/// Accepts an invitation. One who has as much of the session already uses nothing up.
///
/// # Errors
/// As [`look`].
pub async fn accept(app: &App, caller: &Caller, secret: &SecretString) -> Result<Looked, Error> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let (invitation, session) = good(app, &transaction, secret).await?;
    let (uid, with) = (shares::uid(&session), With::User(caller.user.clone()));
    let level = invitation.level;
    let before = store::shares::with_locked(&transaction, &uid, &with).await?;
    let lasting = before.as_ref().is_some_and(|share| share.level >= level && share.expires_at.is_none());
    if session.spec.user == caller.user || lasting {
        return Ok(Looked { session, level });
    }
    let share = match &before {
        Some(before) => store::shares::Share { level: before.level.max(level), expires_at: None, ..before.clone() },
        None => shares::fresh(&session, with, level, None, &invitation.created_by, app.clock.now()),
    };
    store::invitations::use_up(&transaction, invitation.id).await?;
    shares::write(&transaction, caller, before.as_ref(), &share).await?;
    let entry = Entry::new("session.accept", shares::target(&invitation.session)).after(&Shown::from(&invitation));
    audit::record(&transaction, caller, entry).await?;
    transaction.commit().await?;
    shares::tell(app, &share.with).await;
    Ok(Looked { session, level })
}

/// The invitation with that secret, while it lets in to a session that is there.
async fn good(
    app: &App,
    transaction: &deadpool_postgres::Transaction<'_>,
    secret: &SecretString,
) -> Result<(Invitation, Arc<Session>), Error> {
    let gone = || Error::not_found("invitation", "with that link");
    let hash = sha256(&decode_secret(secret.expose_secret()).ok_or_else(gone)?);
    let found = store::invitations::by_hash_locked(transaction, &hash, app.clock.now()).await?.ok_or_else(gone)?;
    let session = app.sessions.get(&found.session).await?;
    let session = session.filter(|session| shares::uid(session) == found.session_uid).ok_or_else(gone)?;
    Ok((found, session))
}
