//! Settings that change while the servers run.

use std::time::Duration;

use deadpool_postgres::GenericClient;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    at_version,
    audit::{self, Entry, Outcome},
};
use crate::{
    App, Error,
    auth::Caller,
    config::Role,
    domain::{
        fields::FieldError,
        settings::{Kept, Overrides, Settings},
    },
    store::{self, SETTINGS, Subscription, USES},
    telemetry::logs,
};

/// What the audit calls a change, and what it is about.
const CHANGE: (&str, &str) = ("config.change", "config");
/// Pause before what could not be read is read again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Changes some settings on every server, and writes down what they were and are. What is so already is left as it is.
///
/// `expected`: the version that the caller has seen.
///
/// # Errors
/// [`Error::Invalid`] naming each setting that makes no sense, [`Error::Stale`].
pub async fn change(app: &App, caller: &Caller, patch: &Overrides, expected: Option<i64>) -> Result<(), Error> {
    let changed = try_to_change(app, caller, patch, expected).await;
    if let Err(error @ (Error::Invalid(_) | Error::Stale)) = &changed {
        let entry = Entry { result: Outcome::Refused, ..Entry::new(CHANGE.0, CHANGE.1) };
        let entry = entry.before(&**app.settings.now());
        let entry = entry.after(&json!({ "asked": patch, "reason": error.to_string() }));
        audit::record(&app.pool.get().await?, caller, entry).await?;
    }
    changed
}

async fn try_to_change(app: &App, caller: &Caller, patch: &Overrides, expected: Option<i64>) -> Result<(), Error> {
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let there = store::settings::lock(&transaction).await?;
    at_version(expected, there.version)?;
    let overrides = there.overrides.clone().patched(patch);
    if overrides == there.overrides {
        return Ok(());
    }
    let configured = app.settings.configured();
    let (before, wanted) = (configured.with(&there.overrides), configured.with(&overrides));
    check(&wanted)?;
    let kept = store::settings::write(&transaction, &overrides, &caller.user, app.clock.now()).await?;
    let entry = Entry::new(CHANGE.0, CHANGE.1).before(&before).after(&wanted);
    audit::record(&transaction, caller, entry).await?;
    store::announce(&transaction, SETTINGS, &[String::new()]).await?;
    transaction.commit().await?;
    take(app, &client, kept).await
}

fn check(wanted: &Settings) -> Result<(), Error> {
    let mut wrong = wanted.check();
    if let Err(error) = logs::check(&wanted.log_level) {
        wrong.push(FieldError { field: "logLevel".into(), message: error.to_string() });
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}

/// Puts into force here what was changed.
async fn take(app: &App, db: &impl GenericClient, kept: Kept) -> Result<(), Error> {
    if !app.settings.take(kept) {
        return Ok(());
    }
    let now = app.settings.now();
    tracing::info!(settings.version = now.kept.version, "settings were changed");
    if let Err(error) = logs::set_level(&now.log_level) {
        tracing::warn!(error = %error, "the log goes on as before");
    }
    if app.config.roles.has(Role::Controller) {
        // When sessions stop may be another time now.
        store::announce(db, USES, &[String::new()]).await?;
    }
    Ok(())
}

/// Puts into force what was changed before this server was started.
///
/// # Errors
/// Where the database does not answer.
pub async fn load(app: &App) -> Result<(), Error> {
    let client = app.pool.get().await?;
    let kept = store::settings::read(&client).await?;
    take(app, &client, kept).await
}

/// Puts into force what is changed anywhere, until `stop`.
pub async fn follow(app: App, mut changes: Subscription, stop: CancellationToken) {
    loop {
        changes.mark_seen();
        let next = async {
            match load(&app).await {
                Ok(()) => changes.woken().await,
                Err(error) => {
                    tracing::warn!(error = %error, "the settings could not be read; trying again");
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        };
        tokio::select! { () = stop.cancelled() => return, () = next => {} }
    }
}
