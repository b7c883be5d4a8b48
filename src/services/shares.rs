//! Sessions that are open to others: with whom, how far, until when.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    audit::{self, Entry},
    connections, rights, sessions,
};
pub use crate::store::shares::{Share, With};
use crate::{
    App, Error,
    auth::{Caller, Permission},
    clock,
    crd::{Session, Template},
    domain::{
        sharing::Level,
        template::{self, View},
    },
    store::{
        groups, invitations, shares,
        teams::{self, Kind},
        users,
    },
};

/// How often shares that have ended are removed: what they let in ends with that.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Most people and groups that a session is shared with.
const MOST: usize = 100;

/// What a share is to be.
#[derive(Clone, Debug)]
pub struct NewShare {
    /// With whom.
    pub with: With,
    /// How far.
    pub level: Level,
    /// When it ends; `None`: not by itself.
    pub expires_at: Option<Timestamp>,
}

/// A share as the audit shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    user: Option<&'a str>,
    group: Option<&'a str>,
    level: Level,
    expires_at: Option<Timestamp>,
}

impl<'a> From<&'a Share> for Shown<'a> {
    fn from(share: &'a Share) -> Self {
        let (user, group) = share.with.names();
        Self { user, group, level: share.level, expires_at: share.expires_at }
    }
}

/// The shares of a session, oldest first, for those who oversee it.
///
/// # Errors
/// [`Error::Forbidden`] for a guest who only looks on or works in it.
pub async fn list(app: &App, caller: &Caller, id: &str) -> Result<Vec<Share>, Error> {
    let session = overseen(app, caller, id).await?;
    shares::of_session(&app.pool.get().await?, &uid(&session), app.clock.now()).await
}

/// The session of that name, for those who are told who else may enter it.
pub(super) async fn overseen(app: &App, caller: &Caller, id: &str) -> Result<Arc<Session>, Error> {
    let session = sessions::get(app, caller, id).await?;
    if rights::oversees(caller, &session) { Ok(session) } else { Err(rights::not_yours(caller, &session)) }
}

/// The session of that name, if the caller may open it to others as far as `level`.
///
/// # Errors
/// [`Error::Forbidden`] for one who may not, [`Error::Conflict`] for [`Level::View`] of a session without a screen.
pub(super) async fn given(app: &App, caller: &Caller, id: &str, level: Level) -> Result<Arc<Session>, Error> {
    let session = sessions::get(app, caller, id).await?;
    match rights::gives(caller, &session) {
        None => return Err(rights::not_yours(caller, &session)),
        Some(most) if most < level => {
            return Err(Error::Forbidden(format!("only {} gives others so much", session.spec.user)));
        }
        Some(_) => {}
    }
    if level == Level::View {
        require_screen(&*connections::template_of(app, &session).await?)?;
    }
    Ok(session)
}

fn require_screen(template: &Template) -> Result<(), Error> {
    if template::view(&template.spec) == View::Vnc {
        return Ok(());
    }
    Err(Error::Conflict(
        "there is no screen to look on, and its pages would take what a guest types: share “use”".into(),
    ))
}

/// Opens a session to a person or a group, or changes how far and until when it is open to them. Returns the share and
/// whether it is a new one.
///
/// # Errors
/// [`Error::Invalid`] for whom there is not, or an end that is past; [`Error::Forbidden`] for a caller who may not, and
/// [`Error::Conflict`] for [`Level::View`] of a session without a screen.
pub async fn put(app: &App, caller: &Caller, id: &str, new: NewShare) -> Result<(Share, bool), Error> {
    let session = given(app, caller, id, new.level).await?;
    let now = app.clock.now();
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::field("expiresAt", "must lie ahead"));
    }
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    known(&transaction, caller, &session, &new.with).await?;
    let before = shares::with_locked(&transaction, &uid(&session), &new.with).await?;
    if before.is_none() && shares::of_session(&transaction, &uid(&session), now).await?.len() >= MOST {
        return Err(Error::Conflict(format!("it is shared with {MOST} already: share it with a group")));
    }
    let share = match &before {
        Some(before) => Share { level: new.level, expires_at: new.expires_at, ..before.clone() },
        None => fresh(&session, new.with, new.level, new.expires_at, &caller.user, now),
    };
    write(&transaction, caller, before.as_ref(), &share).await?;
    transaction.commit().await?;
    tell(app, &share.with).await;
    Ok((share, before.is_none()))
}

/// A share that begins now.
pub(super) fn fresh(
    session: &Session,
    with: With,
    level: Level,
    expires_at: Option<Timestamp>,
    created_by: &str,
    now: Timestamp,
) -> Share {
    let (name, session_uid) = (session.name_any(), uid(session));
    let created_by = created_by.to_owned();
    Share { id: Uuid::now_v7(), session: name, session_uid, with, level, expires_at, created_by, created_at: now }
}

/// Writes a share and audits it.
pub(super) async fn write(
    db: &impl deadpool_postgres::GenericClient,
    caller: &Caller,
    before: Option<&Share>,
    share: &Share,
) -> Result<(), Error> {
    shares::put(db, share).await?;
    let entry = Entry::new("session.share", target(&share.session)).after(&Shown::from(share));
    let entry = match before {
        Some(before) => entry.before(&Shown::from(before)),
        None => entry,
    };
    audit::record(db, caller, entry).await
}

/// Refuses whom a session cannot be shared with: its owner, an account that is not there, a group that the caller need
/// not know of.
async fn known(
    db: &impl deadpool_postgres::GenericClient,
    caller: &Caller,
    session: &Session,
    with: &With,
) -> Result<(), Error> {
    match with {
        With::User(name) if *name == session.spec.user => Err(Error::field("user", "it is theirs already")),
        With::User(name) => {
            let missing = || Error::field("user", format!("there is no active account “{name}”"));
            users::by_name(db, name).await?.filter(|user| !user.disabled).map(drop).ok_or_else(missing)
        }
        With::Group(name) => {
            let knows = caller.belonging.groups.contains(name) || caller.may(Permission::GroupsRead);
            let there = knows && teams::by_name(db, Kind::Group, name).await?.is_some();
            if there { Ok(()) } else { Err(Error::field("group", format!("you belong to no group “{name}”"))) }
        }
    }
}

/// Ends a share: for those who may open the session so far, and for the person whom it lets in.
///
/// # Errors
/// [`Error::NotFound`] for one that is not there, [`Error::Forbidden`] for one that is another's to end.
pub async fn delete(app: &App, caller: &Caller, id: &str, share: Uuid) -> Result<(), Error> {
    let session = sessions::get(app, caller, id).await?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let found = shares::by_id_locked(&transaction, share).await?;
    let own = |share: &Share| share.with == With::User(caller.user.clone());
    let concerns =
        |found: &Share| found.session_uid == uid(&session) && (own(found) || rights::oversees(caller, &session));
    let found = found.filter(concerns).ok_or_else(|| Error::not_found("share", share.to_string()))?;
    if !own(&found) && rights::gives(caller, &session).is_none_or(|most| most < found.level) {
        return Err(rights::not_yours(caller, &session));
    }
    shares::delete(&transaction, share).await?;
    let entry = Entry::new("session.unshare", target(id)).before(&Shown::from(&found));
    audit::record(&transaction, caller, entry).await?;
    transaction.commit().await?;
    tell(app, &found.with).await;
    Ok(())
}

/// Forgets what is remembered of those whom a share lets in, so that the answer finds it done here; triggers tell other
/// replicas, and this one again.
pub(super) async fn tell(app: &App, with: &With) {
    match with {
        With::User(name) => app.auth.forget(name),
        With::Group(group) => {
            let members = async { groups::members(&app.pool.get().await?, group).await }.await;
            // The triggers' word is on its way in any case.
            for member in members.unwrap_or_default() {
                app.auth.forget(&member.user);
            }
        }
    }
}

/// The sessions that are shared with the caller and how far, by owner, age and name.
#[must_use]
pub fn with_caller(app: &App, caller: &Caller) -> Vec<(Arc<Session>, Level)> {
    let mut found = sessions::guest_in(app, caller);
    found.sort_by_cached_key(|session| (session.spec.user.clone(), session.name_any()));
    let level = |session: Arc<Session>| rights::shared(caller, &session).map(|level| (session, level));
    found.into_iter().filter_map(level).collect()
}

/// Removes what has ended, until `stop`: what it let in ends at once. May run on several servers.
pub async fn sweep(app: App, stop: CancellationToken) {
    let mut failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock::sleep(&*app.clock, SWEEP_EVERY) => {}
        }
        match sweep_once(&app).await {
            Ok(()) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(error = %error, "shares that have ended could not be removed; trying again");
            }
            Err(_) => {}
        }
    }
}

async fn sweep_once(app: &App) -> Result<(), Error> {
    let client = app.pool.get().await?;
    shares::sweep(&client, app.clock.now()).await?;
    invitations::sweep(&client, app.clock.now()).await
}

pub(super) fn uid(session: &Session) -> String {
    session.metadata.uid.clone().unwrap_or_default()
}

pub(super) fn target(session: &str) -> String {
    format!("session/{session}")
}
