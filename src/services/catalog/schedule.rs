//! Syncs by the clock.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::sync;
use crate::{App, Error, store::catalog::repositories};

/// How often is looked for repositories whose time has come.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Has repositories synced at the start and whenever their interval has passed, until `stop`. However many servers do
/// so, each interval brings one sync.
pub async fn run(app: App, stop: CancellationToken) {
    let mut begun = false;
    loop {
        match look(&app, !begun).await {
            Ok(()) => begun = true,
            Err(error) => tracing::warn!(error = %error, "repositories could not be looked at; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn look(app: &App, start: bool) -> Result<(), Error> {
    let usual = i64::try_from(app.settings.now().sync_interval.0.as_secs()).unwrap_or(i64::MAX);
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    if start && usual > 0 {
        repositories::all_due(&transaction).await?;
    }
    for id in repositories::take_due(&transaction, usual).await? {
        sync::enqueue_by_clock(&transaction, id).await?;
    }
    Ok(transaction.commit().await?)
}
