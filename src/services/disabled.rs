//! Sessions of people whose account was disabled or deleted are put to sleep; their homes stay.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kube::ResourceExt;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::sessions;
use crate::{
    App, Error,
    crd::{DesiredState, Session},
    store::users,
};

/// How often it is looked whether something was missed, such as by a server that was killed in between.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// What the platform says it did that for.
const BECAUSE: &str = "Disabled";

/// Puts sessions to sleep as soon as their owner may no longer work, until `stop`.
pub async fn follow(app: App, stop: CancellationToken) {
    let mut changes = app.auth.changes();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
            changed = changes.recv() => match changed {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                // The application, which is held here, holds the other end.
                Err(RecvError::Closed) => return,
            },
        }
        if let Err(error) = hibernate(&app).await {
            tracing::warn!(error = %error, "sessions of disabled accounts could not be put to sleep; trying again");
        }
    }
}

/// Looks at everybody's sessions once. May run on several replicas at once: each ends in the same place.
async fn hibernate(app: &App) -> Result<(), Error> {
    let running = |session: &Arc<Session>| {
        session.spec.state == DesiredState::Running && session.metadata.deletion_timestamp.is_none()
    };
    let sessions: Vec<Arc<Session>> = app.sessions.snapshot(None).into_iter().filter(running).collect();
    let owners: BTreeSet<&str> = sessions.iter().map(|session| session.spec.user.as_str()).collect();
    if owners.is_empty() {
        return Ok(());
    }
    let owners: Vec<&str> = owners.into_iter().collect();
    let disabled = users::disabled_among(&app.pool.get().await?, &owners).await?;
    for session in sessions.iter().filter(|session| disabled.contains(&session.spec.user)) {
        if sessions::put_to_sleep(app, session, BECAUSE).await? {
            tracing::info!(
                session.id = session.name_any(),
                user.name = session.spec.user,
                "put to sleep: its owner is disabled"
            );
        }
    }
    Ok(())
}
