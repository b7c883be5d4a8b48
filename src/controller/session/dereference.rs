//! The step that looks: template, workload, live figures, and whether the program answers.

use kube::{ResourceExt, runtime::reflector::ObjectRef};

use super::{Context, Found, ReconcileError};
use crate::{
    Error,
    config::EngineKind,
    controller::{budgets, lock},
    crd::{DesiredState, Phase, Reason, Security, Session, Template},
    domain::{activity::Live, keys},
    engine::{SessionId, Stage, WorkloadState},
    store,
};

pub(super) async fn dereference(context: &Context, session: &Session) -> Result<Found, ReconcileError> {
    let app = &context.app;
    let key = ObjectRef::new(&session.spec.template).within(&session.namespace().unwrap_or_default());
    let template = context.templates.get(&key);
    let id = SessionId(session.name_any());
    let any = lock(&context.workloads).get(&id).cloned();
    let foreign = any.as_ref().is_some_and(|workload| Some(&workload.session_uid) != session.metadata.uid.as_ref());
    let workload = any.filter(|_| !foreign);
    let missing = missing(context, session, template.as_deref(), workload.as_ref()).await?;
    let reachable = reachable(context, session, template.as_deref(), workload.as_ref()).await;
    let granted = granted(context, template.as_deref()).await?;
    let budget = budgets::of(context, session).await?;
    Ok(Found {
        live: live(context, session).await?,
        user_refused: user_refused(context, session).await?,
        now: app.clock.now(),
        epoch: Some(context.epoch),
        template,
        workload,
        foreign,
        reachable,
        images: app.config.engine.kind() == EngineKind::Kubernetes,
        closed: app.nodes.closed().borrow().clone(),
        missing,
        granted,
        budget,
        stopped_because: session.annotations().get(keys::STOPPED_BECAUSE).cloned(),
        ceilings: app.settings.now().ceilings(),
        terminated_ttl: app.settings.now().terminated_ttl.0,
        public_url: app.config.http.public_url(),
        hosts: app.config.http.hosts(),
    })
}

/// Programs are looked for before a start, not while something runs.
async fn missing(
    context: &Context,
    session: &Session,
    template: Option<&Template>,
    workload: Option<&WorkloadState>,
) -> Result<Vec<crate::crd::Requirement>, ReconcileError> {
    let starts = session.spec.state == DesiredState::Running
        && workload.is_none_or(|workload| matches!(workload.stage, Stage::Ended(_)));
    match template.and_then(|template| template.spec.local.as_ref()) {
        Some(local) if starts => Ok(context.app.engine.missing(&local.requires).await.map_err(Error::from)?),
        _ => Ok(vec![]),
    }
}

/// Asked only while it decides something: the program listens and the session does not count as running yet.
async fn reachable(
    context: &Context,
    session: &Session,
    template: Option<&Template>,
    workload: Option<&WorkloadState>,
) -> bool {
    let listens = workload.is_some_and(|workload| workload.stage == Stage::Running { listening: true });
    match template {
        Some(template) if listens && session.phase() != Phase::Running => {
            super::probe::answers(
                &*context.app.engine,
                &context.app.config.http.hosts(),
                &SessionId(session.name_any()),
                &template.spec,
            )
            .await
        }
        _ => false,
    }
}

/// An object that kubectl made may name any template.
async fn granted(context: &Context, template: Option<&Template>) -> Result<bool, ReconcileError> {
    let Some(template) = template.filter(|template| template.spec.security == Security::Baseline) else {
        return Ok(true);
    };
    let client = context.app.pool.get().await.map_err(Error::from)?;
    Ok(store::catalog::grants::allow(&client, template).await?)
}

async fn live(context: &Context, session: &Session) -> Result<Live, ReconcileError> {
    if session.phase() != Phase::Running {
        return Ok(Live::default());
    }
    let client = context.app.pool.get().await.map_err(Error::from)?;
    let row = store::activity::read(&client, &session.name_any()).await?;
    // Figures of an earlier session of that name say nothing of this one.
    let own = row.filter(|row| row.session_uid.is_none() || row.session_uid == session.metadata.uid);
    Ok(own.map_or_else(Live::default, |row| Live {
        last_activity: row.last_activity,
        last_cause: row.cause,
        connections: row.connections,
        snoozed_until: row.snoozed_until,
    }))
}

/// Accounts and projects live in PostgreSQL; a session that kubectl made may name any.
async fn user_refused(context: &Context, session: &Session) -> Result<Option<(Reason, String)>, ReconcileError> {
    if session.spec.state != DesiredState::Running || session.phase() == Phase::Running {
        return Ok(None);
    }
    let client = context.app.pool.get().await.map_err(Error::from)?;
    let user = &session.spec.user;
    match store::users::by_name(&client, user).await? {
        Some(found) if !found.disabled => {}
        Some(_) => return Ok(Some((Reason::UserUnknown, format!("The account “{user}” is disabled.")))),
        None => return Ok(Some((Reason::UserUnknown, format!("There is no account “{user}”.")))),
    }
    let Some(project) = &session.spec.project else { return Ok(None) };
    let role = store::projects::role_of(&client, project, user).await?;
    let stranger = || (Reason::PolicyRefused, format!("{user} does not belong to a project “{project}”."));
    Ok(role.is_none().then(stranger))
}
