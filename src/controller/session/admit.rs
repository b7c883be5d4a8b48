//! The step that asks: may what is to start have what it needs? The answer of one that the API has asked for is known.

use kube::ResourceExt;

use super::{Context, Found, ReconcileError, build::asks_again, validate::Plan};
use crate::{
    Error,
    controller::lock,
    crd::{DesiredState, Phase, Reason, Session},
    domain::{doctor, keys, phase::is_at_rest, quota::Amounts, session},
    engine::{Limits, Workload},
    store::{
        reservations::{self, Ask},
        usage,
    },
    telemetry::steps::Step,
};

/// The plan, or to wait where a limit does not allow it. What runs or sleeps is not asked about: it is there, and counts.
pub(super) async fn admit(
    context: &Context,
    session: &Session,
    plan: Plan,
    found: &Found,
) -> Result<Plan, ReconcileError> {
    let (Some(ask), Some(uid)) = (ask(context, session, &plan, found), session.uid()) else { return Ok(plan) };
    let (starts, phase) = (starts(session, found), session.phase());
    let held = if starts || !is_at_rest(phase) { ask.amounts } else { ask.amounts.at_rest() };
    if lock(&context.admitted).get(&uid).is_some_and(|known| known.covers(&held)) {
        return Ok(plan);
    }
    let mut client = context.app.pool.get().await.map_err(Error::from)?;
    if starts {
        let transaction = client.transaction().await.map_err(Error::from)?;
        let month = context.app.config.sessions.month(found.now);
        if let Err(exceeded) = reservations::admit(&transaction, &ask, &month).await? {
            let spent = exceeded.dimension.is_budget();
            let reason = if spent { Reason::BudgetSpent } else { Reason::QuotaExceeded };
            return Ok(Plan::Wait(doctor::verdict(reason, format!("{exceeded}."), found.now)));
        }
        transaction.commit().await.map_err(Error::from)?;
    } else {
        reservations::adopt(&client, &ask, !is_at_rest(phase)).await?;
        if let (false, Some(status)) = (is_at_rest(phase), &session.status) {
            usage::begin(&client, &ask, status.run, found.now).await?;
        }
    }
    lock(&context.admitted).insert(uid, held);
    Step::Admitted.taken(&session.name_any());
    Ok(plan)
}

/// What the session holds while it is not at rest; `None` where that cannot be worked out.
fn ask(context: &Context, session: &Session, plan: &Plan, found: &Found) -> Option<Ask> {
    let (Plan::Run { resolved, .. }, Some(template)) = (plan, &found.template) else { return None };
    Some(Ask {
        session: session.name_any(),
        session_uid: session.uid(),
        owner: session.spec.user.clone(),
        project: session.spec.project.clone(),
        home: session::home_name(session, &template.spec),
        amounts: Amounts::of(resolved, context.app.config.sessions.user_pv_size),
    })
}

/// Notes that the engine was asked for a run, for the hours of its owner's month.
pub(super) async fn note_run(context: &Context, session: &Session, workload: &Workload) -> Result<(), ReconcileError> {
    let Limits { cpu_millicores, memory_bytes, gpus } = workload.limits;
    let whole = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    let amounts = Amounts {
        cpu_millicores: whole(cpu_millicores),
        memory_bytes: whole(memory_bytes),
        gpus: gpus.into(),
        ..Amounts::default()
    };
    let ask = Ask {
        session: session.name_any(),
        session_uid: session.uid(),
        owner: session.spec.user.clone(),
        project: session.spec.project.clone(),
        home: String::new(),
        amounts,
    };
    let client = context.app.pool.get().await.map_err(Error::from)?;
    usage::begin(&client, &ask, workload.run, context.app.clock.now()).await?;
    Step::RunNoted.taken(&ask.session);
    Ok(())
}

/// Whether a run may begin in this round.
fn starts(session: &Session, found: &Found) -> bool {
    if session.spec.state != DesiredState::Running || session.metadata.deletion_timestamp.is_some() {
        return false;
    }
    match session.phase() {
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
    // When a host was restarted, what ran there had ended before that: nobody knows when.
    let crashed = session.annotations().get(keys::STOPPED_BECAUSE).is_some_and(|because| because == "HostRestarted");
    usage::end(&client, &uid, (!crashed).then(|| context.app.clock.now())).await?;
    reservations::rest(&client, &session.name_any(), &uid).await?;
    Step::Rested.taken(&session.name_any());
    Ok(())
}

/// Frees what a session held whose object goes.
pub(super) async fn free(context: &Context, session: &Session) -> Result<(), ReconcileError> {
    let uid = session.uid().unwrap_or_default();
    lock(&context.admitted).remove(&uid);
    let client = context.app.pool.get().await.map_err(Error::from)?;
    usage::end(&client, &uid, Some(context.app.clock.now())).await?;
    reservations::free(&client, &session.name_any(), &uid).await?;
    Step::Freed.taken(&session.name_any());
    Ok(())
}
