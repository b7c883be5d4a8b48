//! The step that asks: may what is to start have what it needs? The answer of one that the API has asked for is known.

use kube::ResourceExt;

use super::{Context, Found, ReconcileError, build::asks_again, validate::Plan};
use crate::{
    Error,
    controller::lock,
    crd::{DesiredState, Phase, Reason, Session},
    domain::{doctor, phase::is_at_rest, quota::Amounts, session},
    store::reservations::{self, Ask},
};

/// The plan, or to wait where a limit does not allow it. What runs or sleeps is not asked about: it is there, and counts.
pub(super) async fn admit(
    context: &Context,
    session: &Session,
    plan: Plan,
    found: &Found,
) -> Result<Plan, ReconcileError> {
    let (Plan::Run { resolved, .. }, Some(template), Some(uid)) = (&plan, &found.template, session.uid()) else {
        return Ok(plan);
    };
    let ask = Ask {
        session: session.name_any(),
        session_uid: Some(uid.clone()),
        owner: session.spec.user.clone(),
        home: session::home_name(session, &template.spec),
        amounts: Amounts::of(resolved, context.app.config.sessions.user_pv_size),
    };
    let (starts, phase) = (starts(session, found), super::phase(session));
    let held = if starts || !is_at_rest(phase) { ask.amounts } else { ask.amounts.at_rest() };
    if lock(&context.admitted).get(&uid).is_some_and(|known| known.covers(&held)) {
        return Ok(plan);
    }
    let mut client = context.app.pool.get().await.map_err(Error::from)?;
    if starts {
        let transaction = client.transaction().await.map_err(Error::from)?;
        if let Err(exceeded) = reservations::admit(&transaction, &ask).await? {
            let verdict = doctor::verdict(Reason::QuotaExceeded, format!("{exceeded}."), found.now);
            return Ok(Plan::Wait(verdict));
        }
        transaction.commit().await.map_err(Error::from)?;
    } else {
        reservations::adopt(&client, &ask, !is_at_rest(phase)).await?;
    }
    lock(&context.admitted).insert(uid, held);
    Ok(plan)
}

/// Whether a run may begin in this round.
fn starts(session: &Session, found: &Found) -> bool {
    if session.spec.state != DesiredState::Running || session.metadata.deletion_timestamp.is_some() {
        return false;
    }
    match super::phase(session) {
        Phase::Terminating | Phase::Terminated => false,
        Phase::Failed => asks_again(session),
        Phase::Running => !found.is_running(),
        Phase::Pending | Phase::Starting | Phase::Hibernating | Phase::Hibernated => true,
    }
}

/// What a session that comes to rest held for its runs is free before anybody reads that it rests.
pub(super) async fn note_rest(
    context: &Context,
    session: &Session,
    before: Phase,
    after: Phase,
) -> Result<(), ReconcileError> {
    if is_at_rest(before) || !is_at_rest(after) {
        return Ok(());
    }
    let uid = session.uid().unwrap_or_default();
    lock(&context.admitted).remove(&uid);
    let client = context.app.pool.get().await.map_err(Error::from)?;
    Ok(reservations::rest(&client, &session.name_any(), &uid).await?)
}

/// Frees what a session held whose object is gone.
pub(super) async fn free(context: &Context, session: &Session) -> Result<(), ReconcileError> {
    let uid = session.uid().unwrap_or_default();
    lock(&context.admitted).remove(&uid);
    let client = context.app.pool.get().await.map_err(Error::from)?;
    Ok(reservations::free(&client, &session.name_any(), &uid).await?)
}
