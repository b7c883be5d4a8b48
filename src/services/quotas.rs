//! Quotas: what people and groups may have at once, and giving it to sessions.

use std::time::Duration;

use deadpool_postgres::{GenericClient, Transaction};
use kube::ResourceExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    audit::{self, Entry},
    groups, projects,
};
pub use crate::domain::quota::{Bound, Dimension, Limits, Origin, Subject, Written};
use crate::{
    App, Error,
    auth::Caller,
    clock,
    crd::{DesiredState, Phase, Session, Template},
    domain::{
        names,
        phase::is_at_rest,
        quota::{Amounts, Month},
        session::{self, Resolved},
    },
    store::{
        quotas,
        reservations::{self, Ask, Reservation},
        teams::{self, Kind},
        users,
    },
};

/// A reservation whose object does not come, or does not run, is freed this long after it was asked for.
const FREED_AFTER_S: f64 = 60.0;
/// How often such reservations are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// The limits that hold for a person, their own first, then those of each of their groups, with what is used.
///
/// # Errors
/// [`Error::NotFound`] where there is no such account.
pub async fn of_user(app: &App, user: &str) -> Result<Vec<Bound>, Error> {
    let client = app.pool.get().await?;
    person(&client, user).await?;
    reservations::bounds(&client, user, None, &month(app)).await
}

/// The limits of a group, with what its members use together.
///
/// # Errors
/// [`Error::NotFound`] where there is no such group.
pub async fn of_group(app: &App, group: &str) -> Result<Bound, Error> {
    groups::get(&app.auth, group).await?;
    reservations::of_group(&app.pool.get().await?, group, &month(app)).await
}

/// The limits of a project that the caller may know of, with what its sessions use together.
///
/// # Errors
/// [`Error::NotFound`] where there is no such project for the caller.
pub async fn of_project(app: &App, caller: &Caller, project: &str) -> Result<Bound, Error> {
    projects::get(&app.auth, caller, project).await?;
    reservations::of_project(&app.pool.get().await?, project, &month(app)).await
}

/// The limits of everybody who has none of their own.
pub async fn default(app: &App) -> Result<Limits, Error> {
    Ok(quotas::get(&app.pool.get().await?, &Subject::Default).await?.unwrap_or_default())
}

/// Sets the limits of `subject`, in place of those before. What is used stays, also where it is more.
///
/// # Errors
/// [`Error::Invalid`] naming each wrong field, [`Error::NotFound`] where there is no such subject.
pub async fn set(app: &App, caller: &Caller, subject: &Subject, written: &Written) -> Result<(), Error> {
    let limits = Limits::read(written).map_err(Error::Invalid)?;
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    exists(&transaction, subject).await?;
    let before = quotas::get(&transaction, subject).await?;
    quotas::set(&transaction, subject, &limits, app.clock.now()).await?;
    let entry = entry("quota.set", subject, before.as_ref()).after(&shown(&limits));
    audit::record(&transaction, caller, entry).await?;
    Ok(transaction.commit().await?)
}

/// Removes the limits of `subject`: a person then has the default ones, a group none.
///
/// # Errors
/// [`Error::NotFound`] where it has none of its own.
pub async fn remove(app: &App, caller: &Caller, subject: &Subject) -> Result<(), Error> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    named(subject)?;
    let before = quotas::get(&transaction, subject).await?;
    if !quotas::remove(&transaction, subject).await? {
        return Err(Error::not_found("quota", subject.to_string()));
    }
    audit::record(&transaction, caller, entry("quota.remove", subject, before.as_ref())).await?;
    Ok(transaction.commit().await?)
}

/// Refuses a subject that is not there; a group or a project that is there stays until the transaction ends.
async fn exists(transaction: &Transaction<'_>, subject: &Subject) -> Result<(), Error> {
    let name = named(subject)?;
    let found = match subject {
        Subject::Default => true,
        Subject::User(_) => users::by_name(transaction, name).await?.is_some(),
        Subject::Group(_) => teams::by_name_locked(transaction, Kind::Group, name).await?.is_some(),
        Subject::Project(_) => teams::by_name_locked(transaction, Kind::Project, name).await?.is_some(),
    };
    if found { Ok(()) } else { Err(Error::not_found(subject.kind(), name)) }
}

/// Refuses a name that nothing can have before the database is asked about it.
fn named(subject: &Subject) -> Result<&str, Error> {
    let name = subject.name();
    let fits = *subject == Subject::Default || names::is_dns_label(name);
    if fits { Ok(name) } else { Err(Error::not_found(subject.kind(), name)) }
}

async fn person(db: &impl GenericClient, name: &str) -> Result<(), Error> {
    users::by_name(db, name).await?.map(drop).ok_or_else(|| Error::not_found("user", name))
}

fn entry(action: &'static str, subject: &Subject, before: Option<&Limits>) -> Entry {
    let entry = Entry::new(action, format!("{}/{}", subject.kind(), subject.name()));
    match before {
        Some(before) => entry.before(&shown(before)),
        None => entry,
    }
}

fn shown(limits: &Limits) -> Value {
    let Written { sessions, cpu, memory, gpu, storage, cpu_hours, memory_hours, gpu_hours } = limits.write();
    json!({
        "sessions": sessions, "cpu": cpu, "memory": memory, "gpu": gpu, "storage": storage,
        "cpuHours": cpu_hours, "memoryHours": memory_hours, "gpuHours": gpu_hours,
    })
}

/// The month of the budgets.
pub(super) fn month(app: &App) -> Month {
    app.config.sessions.month(app.clock.now())
}

/// What `session` asks for, made from `template` with what it resolved to.
pub(super) fn ask(app: &App, session: &Session, template: &Template, resolved: &Resolved) -> Ask {
    Ask {
        session: session.name_any(),
        session_uid: session.uid(),
        owner: session.spec.user.clone(),
        project: session.spec.project.clone(),
        home: session::home_name(session, &template.spec),
        amounts: Amounts::of(resolved, app.config.sessions.user_pv_size),
    }
}

/// Gives a session that is at rest what it needs to run, before it is asked to.
///
/// # Errors
/// [`Error::QuotaExceeded`] where a limit does not allow it.
pub(super) async fn admit_start(app: &App, session: &Session) -> Result<(), Error> {
    // What cannot be worked out is the controller's to report, which asks here before it starts anything.
    let Some(template) = app.templates.get(&session.spec.template).await? else { return Ok(()) };
    let Ok(resolved) = session::resolve(&session.spec, &template.spec, &app.settings.now().ceilings()) else {
        return Ok(());
    };
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let ask = ask(app, session, &template, &resolved);
    admit(app, &transaction, &ask).await?;
    Ok(transaction.commit().await?)
}

/// Gives a session what it asks for.
///
/// # Errors
/// [`Error::QuotaExceeded`] where a limit does not allow it.
pub(super) async fn admit(app: &App, transaction: &Transaction<'_>, ask: &Ask) -> Result<(), Error> {
    let given = reservations::admit(transaction, ask, &month(app)).await?;
    given.map_err(|exceeded| Error::QuotaExceeded(Box::new(exceeded)))
}

/// Frees reservations whose object did not come or does not run, until `stop`.
pub async fn sweep(app: App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock::sleep(&*app.clock, SWEEP_EVERY) => {}
        }
        if let Err(error) = sweep_once(&app).await {
            tracing::warn!(error = %error, "reservations could not be looked at; trying again");
        }
    }
}

/// Looks once at the reservations that nothing was asked of for a minute. May run on several servers at once.
pub async fn sweep_once(app: &App) -> Result<(), Error> {
    let old = reservations::older_than(&app.pool.get().await?, FREED_AFTER_S).await?;
    for reservation in &old {
        let seen = app.sessions.peek(&reservation.session);
        if seen.is_some_and(|session| agrees(reservation, &session)) {
            continue;
        }
        // Memory may lag behind: what is freed is asked of the truth.
        let there = app.sessions.store().get(&reservation.session).await?;
        let client = app.pool.get().await?;
        match there {
            None => reservations::free_if_older(&client, &reservation.session, FREED_AFTER_S).await?,
            Some(session) if !agrees(reservation, &session) => {
                reservations::rest_if_older(&client, &reservation.session, FREED_AFTER_S).await?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Whether what is held is what the object needs: nothing that is at rest, and is to stay so, holds what runs need.
fn agrees(reservation: &Reservation, session: &Session) -> bool {
    let phase = session.phase();
    let wakes = phase == Phase::Hibernated && session.spec.state == DesiredState::Running;
    !reservation.running || !is_at_rest(phase) || wakes
}
