//! The step that shows what was done: status, history, Events, the log.

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::{Context, ReconcileError, apply::Applied};
use crate::{
    Error,
    crd::{LifecycleEvent, Session, SessionStatus},
    objects::{ObjectError, Occurrence},
    store,
    telemetry::steps::Step,
};

pub(super) async fn write(context: &Context, name: &str, applied: Applied) -> Result<(), ReconcileError> {
    let Some(session) = applied.session else { return Ok(()) };
    let status = session.status.clone().unwrap_or_default();
    if applied.before.as_ref() != Some(&status) {
        match context.app.sessions.store().replace_status(&session, Some(context.epoch)).await {
            Ok(written) => {
                context.wrote(written);
                Step::Shown.taken(name);
            }
            Err(ObjectError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        tell(context, name, &session, applied.before.as_ref(), &status).await?;
    }
    match applied.failed {
        None => Ok(()),
        Some(error) => Err(Error::from(error).into()),
    }
}

/// Keeps what is new in the story: whole in the database, folded as Events, read alone in the log.
///
/// The database gets every event the status holds, again each time: what a crash between the two writes left out
/// comes with the next.
async fn tell(
    context: &Context,
    name: &str,
    session: &Session,
    before: Option<&SessionStatus>,
    after: &SessionStatus,
) -> Result<(), ReconcileError> {
    let uid = session.uid().unwrap_or_default();
    let all = events(Some(after));
    let old: BTreeSet<_> = events(before).iter().map(|event| (event.time.0, format!("{:?}", event.type_))).collect();
    let new: Vec<&LifecycleEvent> =
        all.iter().filter(|event| !old.contains(&(event.time.0, format!("{:?}", event.type_)))).collect();
    if new.is_empty() {
        return Ok(());
    }
    {
        // Given back before the next is taken: as many reconciliations as there are connections would wait for each other.
        let client = context.app.pool.get().await.map_err(Error::from)?;
        store::lifecycle::keep(&client, &uid, name, &session.spec.user, all).await?;
        Step::Kept.taken(name);
    }
    for event in new {
        tracing::info!(session.id = name, session.user = session.spec.user, event = ?event.type_, "{}", event.message);
        metrics::counter!("streamspace_api_lifecycle_events_total").increment(1);
        metrics::counter!("streamspace_api_lifecycle_events_by_type_total", "type" => format!("{:?}", event.type_))
            .increment(1);
        let occurrence = Occurrence {
            kind: "Session".into(),
            name: name.into(),
            uid: uid.clone(),
            type_: event.event_type,
            reason: format!("{:?}", event.type_),
            message: event.message.clone(),
        };
        context.app.sessions.store().record(&occurrence).await?;
        Step::Told.taken(name);
    }
    Ok(())
}

fn events(status: Option<&SessionStatus>) -> &[LifecycleEvent] {
    status.and_then(|status| status.lifecycle.as_ref()).map_or(&[], |story| &story.events)
}
