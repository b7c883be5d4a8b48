//! The step that acts, in an order that can be cut off anywhere: finalizer, engine, spec, removal.

use kube::ResourceExt;
use serde_json::json;

use super::{
    Context, ReconcileError, admit,
    build::{EngineCall, Wanted, Warning},
};
use crate::{
    Error,
    controller::lock,
    crd::{Reason, Session},
    domain::{doctor, keys},
    engine::{EngineError, SessionId},
    objects::{ObjectError, Precondition},
    store::{self, notices::Notice},
    telemetry::steps::Step,
};

/// What was done, and is to be shown.
#[derive(Debug)]
pub(super) struct Applied {
    /// The object as it stands now, with the status to show; `None`: it is gone.
    pub session: Option<Session>,
    /// The status that stood there before.
    pub before: Option<crate::crd::SessionStatus>,
    /// Why the engine could not do what was asked; it will be asked again.
    pub failed: Option<EngineError>,
}

pub(super) async fn apply(context: &Context, session: &Session, wanted: Wanted) -> Result<Applied, ReconcileError> {
    let before = session.status.clone();
    let (mut current, name) = (session.clone(), session.name_any());
    if wanted.finalizer == Some(true) {
        current = patch(context, &current, &finalizers(&current, true)).await?;
        Step::Guarded.taken(&name);
    }
    let failed = call(context, session, wanted.call.as_ref()).await.err();
    if let (Some(EngineCall::Ensure(workload)), None) = (&wanted.call, &failed) {
        admit::note_run(context, session, workload).await?;
    }
    if let (Some(change), None) = (&wanted.patch, &failed) {
        current = patch(context, &current, change).await?;
        Step::Changed.taken(&name);
    }
    warn(context, session, wanted.warning.as_ref()).await?;
    if failed.is_none() && (wanted.finalizer == Some(false) || wanted.delete) {
        leave(context, &current, wanted.finalizer == Some(false)).await?;
        return Ok(Applied { session: None, before, failed });
    }
    let mut status = wanted.status;
    if let Some(error) = &failed {
        let (reason, message) = explain(error);
        status.doctor = Some(doctor::verdict(reason, message, context.app.clock.now()));
    }
    admit::note_rest(context, session, session.phase(), status.phase).await?;
    current.status = Some(status);
    Ok(Applied { session: Some(current), before, failed })
}

fn explain(error: &EngineError) -> (Reason, String) {
    match error {
        EngineError::Doctor { reason, message } => (*reason, message.clone()),
        other => (Reason::Unknown, other.to_string()),
    }
}

async fn call(context: &Context, session: &Session, call: Option<&EngineCall>) -> Result<(), EngineError> {
    let (engine, id) = (&context.app.engine, SessionId(session.name_any()));
    match call {
        None => return Ok(()),
        Some(EngineCall::Ensure(workload)) => engine.ensure(workload).await?,
        Some(EngineCall::Stop) => engine.stop(&id).await?,
        Some(EngineCall::Remove) => engine.remove(&id).await?,
    }
    Step::Called.taken(&id.0);
    Ok(())
}

fn finalizers(session: &Session, on: bool) -> serde_json::Value {
    let others = session.finalizers().iter().filter(|name| *name != keys::FINALIZER).cloned();
    let all: Vec<String> = others.chain(on.then(|| keys::FINALIZER.to_owned())).collect();
    json!({ "metadata": { "finalizers": all } })
}

async fn patch(context: &Context, session: &Session, change: &serde_json::Value) -> Result<Session, ReconcileError> {
    let condition = Precondition { uid: session.uid(), resource_version: session.resource_version() };
    let changed = context.app.sessions.store().patch(&session.name_any(), change, &condition).await?;
    context.wrote(changed.clone());
    Ok(changed)
}

/// Takes the finalizer off, or deletes what is over.
async fn leave(context: &Context, session: &Session, finalizer: bool) -> Result<(), ReconcileError> {
    let store = context.app.sessions.store();
    let condition = Precondition { uid: session.uid(), resource_version: session.resource_version() };
    let name = session.name_any();
    if finalizer {
        forget(context, session).await?;
    }
    let result = if finalizer {
        store.patch(&name, &finalizers(session, false), &condition).await.map(drop)
    } else {
        store.delete(&name, &condition).await.map(drop)
    };
    match result {
        Ok(()) | Err(ObjectError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Step::Left.taken(&name);
    if finalizer {
        lock(&context.written).remove(&name);
        lock(&context.warned).remove(&name);
    }
    Ok(())
}

/// Takes away what the database holds of it, while the object still calls for whatever a crash leaves out.
async fn forget(context: &Context, session: &Session) -> Result<(), ReconcileError> {
    admit::free(context, session).await?;
    let (name, uid) = (session.name_any(), session.uid().unwrap_or_default());
    let client = context.app.pool.get().await.map_err(Error::from)?;
    store::notices::withdraw(&client, &uid).await?;
    store::activity::forget(&client, &name, &uid).await?;
    store::shares::forget(&client, &uid).await?;
    store::invitations::forget(&client, &uid).await?;
    Step::Forgotten.taken(&name);
    Ok(())
}

/// Tells the person once for each stop, and takes back what does not happen any more.
async fn warn(context: &Context, session: &Session, warning: Option<&Warning>) -> Result<(), ReconcileError> {
    let (name, session_uid) = (session.name_any(), session.uid().unwrap_or_default());
    let told = lock(&context.warned).get(&name).copied();
    if told == warning.map(|warning| warning.stops_at) {
        return Ok(());
    }
    let mut client = context.app.pool.get().await.map_err(Error::from)?;
    let Some(warning) = warning else {
        store::notices::withdraw_own(&client, &session_uid).await?;
        lock(&context.warned).remove(&name);
        return Ok(());
    };
    let notice = Notice {
        session: name.clone(),
        user: session.spec.user.clone(),
        reason: warning.reason.to_owned(),
        message: warning.message.clone(),
        at: context.app.clock.now(),
        stops_at: warning.stops_at,
        session_uid,
    };
    store::notices::tell(&mut client, &notice).await?;
    Step::Warned.taken(&name);
    lock(&context.warned).insert(name, warning.stops_at);
    Ok(())
}
