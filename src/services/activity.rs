//! What a session is used for, as people and the live feed are told.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::sessions;
use crate::{
    App, Error,
    auth::Caller,
    crd::{Phase, Session},
    domain::{activity, session},
    store::{self, activity::ActivityRow},
};

/// The use of a session.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionActivity)]
pub struct Item {
    /// The session's name.
    pub session: String,
    /// Open connections.
    pub connections: u32,
    /// When something last counted as activity; null: not yet.
    pub last_activity: Option<Timestamp>,
    /// Whether it is idle, and when it stops for that.
    pub idle: Idle,
    /// What its program uses; null while that is not known.
    pub usage: Option<Usage>,
}

/// Explains idleness.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Idle {
    /// Since when nothing counted; null while it is active or does not run.
    pub since: Option<Timestamp>,
    /// Why it counts as idle or active, as a sentence.
    pub cause: String,
    /// When it hibernates for that; null: never.
    pub stops_at: Option<Timestamp>,
}

/// What a program uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Thousandths of a core, on average over the last measured quarter of a minute.
    pub cpu_millicores: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The most it may use, in bytes; 0 = no bound.
    pub memory_limit_bytes: u64,
}

/// The latest measurements, in memory; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Usages(Arc<RwLock<Measured>>);

#[derive(Debug, Default)]
struct Measured {
    all: HashMap<String, Usage>,
    /// Those that have not been told since they changed.
    fresh: HashSet<String>,
}

impl Usages {
    /// The latest of a session.
    #[must_use]
    pub fn get(&self, session: &str) -> Option<Usage> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).all.get(session).copied()
    }

    /// Replaces them all.
    pub fn replace(&self, all: HashMap<String, Usage>) {
        let mut measured = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut measured.all, all);
        let changed = measured.all.iter().filter(|(session, usage)| before.get(*session) != Some(usage));
        let changed: Vec<String> = changed.map(|(session, _)| session.clone()).collect();
        measured.fresh.extend(changed);
    }

    /// The sessions whose figures changed since this was asked last.
    #[must_use]
    pub fn take_fresh(&self) -> HashSet<String> {
        std::mem::take(&mut self.0.write().unwrap_or_else(PoisonError::into_inner).fresh)
    }
}

/// Said of a session that does not run.
const AT_REST: &str = "It does not run.";

/// The use of a session, as its row and the latest measurement tell.
#[must_use]
pub fn item(app: &App, usages: &Usages, session: &Session, row: Option<&ActivityRow>) -> Item {
    let name = session.metadata.name.clone().unwrap_or_default();
    // What is known of another session that had the name before says nothing of this one.
    let uid = session.metadata.uid.as_deref();
    let own = row.filter(|row| row.session_uid.is_none() || row.session_uid.as_deref() == uid);
    let live = activity::Live {
        last_activity: own.and_then(|row| row.last_activity),
        last_cause: own.map(|row| row.cause.clone()).unwrap_or_default(),
        connections: own.map_or(0, |row| row.connections),
        snoozed_until: own.and_then(|row| row.snoozed_until),
    };
    Item {
        idle: idle(app, session, &live),
        usage: usages.get(&name).filter(|_| session.phase() == Phase::Running),
        session: name,
        connections: live.connections,
        last_activity: live.last_activity,
    }
}

fn idle(app: &App, session: &Session, live: &activity::Live) -> Idle {
    let running = session.status.as_ref().filter(|status| status.phase == Phase::Running);
    let Some(status) = running else {
        return Idle { since: None, cause: AT_REST.into(), stops_at: None };
    };
    let now = app.clock.now();
    let started = status.phase_since.as_ref();
    let template = app.templates.peek(&session.spec.template);
    // What cannot be worked out is the controller's to report; nothing stops by it.
    let resolved =
        template.and_then(|it| session::resolve(&session.spec, &it.spec, &app.settings.now().ceilings()).ok());
    let timeout = resolved.and_then(|resolved| resolved.idle_timeout);
    let explained = activity::explain(live, started.map_or(now, |time| time.0), timeout, now);
    Idle { since: explained.since, cause: explained.cause, stops_at: explained.stops_at }
}

/// The use of every session that the caller may see, sorted as sessions are.
///
/// # Errors
/// Where the database does not answer.
pub async fn list(app: &App, usages: &Usages, caller: &Caller) -> Result<Vec<Item>, Error> {
    let rows = store::activity::read_all(&app.pool.get().await?).await?;
    let rows: HashMap<String, ActivityRow> = rows.into_iter().map(|row| (row.session.clone(), row)).collect();
    let seen = sessions::seen(app, caller);
    Ok(seen
        .iter()
        .map(|session| item(app, usages, session, session.metadata.name.as_ref().and_then(|name| rows.get(name))))
        .collect())
}

/// The use of one session.
///
/// # Errors
/// Where the database does not answer.
pub async fn one(app: &App, usages: &Usages, session: &Session) -> Result<Item, Error> {
    let name = session.metadata.name.as_deref().unwrap_or_default();
    let row = store::activity::read(&app.pool.get().await?, name).await?;
    Ok(item(app, usages, session, row.as_ref()))
}

/// The use of some sessions, in their order.
///
/// # Errors
/// Where the database does not answer.
pub async fn some(app: &App, usages: &Usages, of: &[Arc<Session>]) -> Result<Vec<Item>, Error> {
    let names: Vec<&str> = of.iter().filter_map(|session| session.metadata.name.as_deref()).collect();
    let rows = store::activity::read_some(&app.pool.get().await?, &names).await?;
    let row = |session: &Session| rows.iter().find(|row| Some(&row.session) == session.metadata.name.as_ref());
    Ok(of.iter().map(|session| item(app, usages, session, row(session))).collect())
}
