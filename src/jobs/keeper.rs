//! Keeps the locks of a process's jobs, and stops work on those that it has lost.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::worker::Crew;
use crate::{Error, store::jobs as rows, store::jobs::locks};

/// Longest time for one renewal.
const RENEW_WITHIN: Duration = Duration::from_secs(5);

/// Renews the locks until asked to end and nothing is being worked on any more.
pub(super) async fn run(crew: Arc<Crew>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(crew.shared.options.renew_every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The locks last at least until then, by this process's own clock: counted from before the question.
    let mut kept_at = Instant::now();
    while !(stop.is_cancelled() && crew.held().is_empty()) {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled(), if crew.held().is_empty() => return,
        }
        if crew.held().is_empty() {
            kept_at = Instant::now();
            continue;
        }
        let began = Instant::now();
        let renewed = timeout(RENEW_WITHIN, renew(&crew, began));
        match renewed.await.unwrap_or_else(|_| Err(Error::Unavailable("no answer in time".into()))) {
            Ok(()) => kept_at = began,
            Err(error) => {
                tracing::warn!(error = %error, "the locks of jobs could not be renewed");
                give_up(&crew, kept_at);
            }
        }
    }
}

/// Renews all; who was taken over is told so, and who was cancelled, in case word of it was lost.
async fn renew(crew: &Crew, began: Instant) -> Result<(), Error> {
    let db = crew.shared.pool.get().await?;
    let kept = locks::renew(&db, crew.worker.id, crew.shared.options.lease).await?;
    let older: Vec<String> = {
        let held = crew.held();
        let older = held.iter().filter(|(_, held)| held.since < began);
        for (id, held) in older.clone() {
            if !kept.iter().any(|(job, number)| job == id && *number == held.run.number()) {
                held.run.lost().cancel();
            }
        }
        older.map(|(id, _)| id.clone()).collect()
    };
    let cancelled = rows::cancelled_of(&db, &older).await?;
    let held = crew.held();
    cancelled.iter().filter_map(|id| held.get(id)).for_each(|held| held.run.stopping().cancel());
    Ok(())
}

/// Gives up the jobs whose locks may expire before the next renewal.
fn give_up(crew: &Crew, kept_at: Instant) {
    let options = &crew.shared.options;
    let safe = options.lease.saturating_sub(options.renew_every);
    for held in crew.held().values() {
        if held.since.max(kept_at).elapsed() >= safe {
            held.run.lost().cancel();
        }
    }
}
