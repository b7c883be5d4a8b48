//! Frees what lost workers left behind, and removes what ended long ago.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Shared, worker};
use crate::{
    Error,
    domain::jobs::{self, Status},
    store::jobs::{
        self as rows,
        locks::{self, Lost},
    },
};

/// How long a job is kept after its end.
const KEPT_FOR: Duration = Duration::from_hours(14 * 24);
/// Most locks that are looked at in one transaction.
const LOCKS_AT_ONCE: i64 = 100;
/// Most jobs that are removed at once.
const REMOVED_AT_ONCE: i64 = 1_000;
/// How often is looked for jobs to remove, in sweeps.
const REMOVE_EVERY: u32 = 60;
/// Why a job that was lost runs again.
const WORKER_LOST: &str = "the server that worked on it was lost";

/// Sweeps until asked to end.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    // An earlier process of this data folder has ended: nobody has to wait for its locks.
    let mut folder = shared.options.folder.clone();
    let mut sweeps = 0_u32;
    loop {
        match sweep(&shared, folder.as_deref(), sweeps.is_multiple_of(REMOVE_EVERY)).await {
            Ok(()) => folder = None,
            Err(error) => tracing::warn!(error = %error, "jobs of lost workers could not be looked at"),
        }
        sweeps = sweeps.wrapping_add(1);
        let pause = shared.options.sweep_every.mul_f64(0.75 + rand::random::<f64>() / 2.0);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn sweep(shared: &Shared, folder: Option<&str>, remove: bool) -> Result<(), Error> {
    if folder.is_some() {
        while free(shared, folder).await? {}
    }
    while free(shared, None).await? {}
    if remove {
        let db = shared.pool.get().await?;
        while rows::remove_old(&db, KEPT_FOR.as_secs_f64(), REMOVED_AT_ONCE).await? > 0 {
            shared.changed();
        }
    }
    Ok(())
}

/// Frees some locks; whether there may be more.
async fn free(shared: &Shared, folder: Option<&str>) -> Result<bool, Error> {
    let mut client = shared.pool.get().await?;
    let transaction = client.transaction().await?;
    let lost = locks::lost(&transaction, folder, LOCKS_AT_ONCE).await?;
    let mut ended = Vec::new();
    for lost in &lost {
        // Not the fault of the process before, which was stopped or replaced: a start begins at once.
        let pause = if folder.is_some() { Duration::ZERO } else { shared.options.first_pause };
        let next = jobs::after_loss(lost.losses + 1, pause, rand::random());
        if let Some(status) = locks::free(&transaction, lost, next, WORKER_LOST).await? {
            ended.push((lost, status));
        }
    }
    if !lost.is_empty() {
        locks::wake_workers(&transaction).await?;
    }
    transaction.commit().await?;
    for (lost, status) in ended {
        report(shared, lost, status);
    }
    Ok(i64::try_from(lost.len()).is_ok_and(|count| count == LOCKS_AT_ONCE))
}

fn report(shared: &Shared, lost: &Lost, status: Status) {
    shared.changed();
    tracing::warn!(
        job.id = lost.job,
        job.r#type = lost.kind,
        job.target = lost.target,
        job.status = status.word(),
        "{WORKER_LOST}"
    );
    metrics::counter!("streamspace_lock_acquisition_failures_total", "reason" => "expired").increment(1);
    if status.is_final() {
        let took = lost.started_at.map_or(0.0, |began| shared.clock.now().duration_since(began).as_secs_f64().max(0.0));
        worker::count(&lost.kind, status.word(), took);
    }
}
