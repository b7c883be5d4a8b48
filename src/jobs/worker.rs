//! Takes jobs and sees each of them through one attempt.

use std::{
    collections::HashMap,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use uuid::Uuid;

use super::{Done, Failure, Handler, Run, Shared};
use crate::{
    Error,
    domain::jobs::{self, Next, Status},
    store::{
        Subscription,
        jobs::{
            self as rows,
            locks::{self, Ending, Taken, Worker},
        },
    },
    telemetry::task,
};

/// A pause between attempts to write how a job ended.
const WRITE_AGAIN: Duration = Duration::from_millis(200);

/// A job that is being worked on.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) run: Run,
    /// Since when, by this process's own clock.
    pub(super) since: Instant,
}

/// Those of one process who work on jobs.
pub(super) struct Crew {
    pub(super) shared: Arc<Shared>,
    pub(super) worker: Worker,
    handlers: HashMap<&'static str, Arc<dyn Handler>>,
    held: Mutex<HashMap<String, Held>>,
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("worker", &self.worker).field("held", &self.held().len()).finish_non_exhaustive()
    }
}

impl Crew {
    pub(super) fn new(shared: Arc<Shared>, handlers: Vec<Arc<dyn Handler>>) -> Arc<Self> {
        let worker = Worker { id: Uuid::new_v4(), folder: shared.options.folder.clone() };
        let handlers = handlers.into_iter().map(|handler| (handler.kind(), handler)).collect();
        Arc::new(Self { shared, worker, handlers, held: Mutex::default() })
    }

    /// Nothing that is done under this lock panics.
    pub(super) fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self) -> Result<Vec<Taken>, Error> {
        let free = self.shared.options.workers.saturating_sub(self.held().len());
        if free == 0 {
            return Ok(Vec::new());
        }
        let types: Vec<&str> = self.handlers.keys().copied().collect();
        let free = i64::try_from(free).unwrap_or(i64::MAX);
        let db = self.shared.pool.get().await?;
        locks::take(&db, &self.worker, &types, free, self.shared.options.lease).await
    }

    /// Tells those whose end was asked for.
    async fn tell_cancelled(&self) -> Result<(), Error> {
        let ids: Vec<String> = self.held().keys().cloned().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let cancelled = rows::cancelled_of(&self.shared.pool.get().await?, &ids).await?;
        let held = self.held();
        cancelled.iter().filter_map(|id| held.get(id)).for_each(|held| held.run.stopping().cancel());
        Ok(())
    }
}

/// Takes jobs until asked to end; then hands back what is not done within the grace.
pub(super) async fn run(crew: Arc<Crew>, mut wakes: Subscription, mut cancels: Subscription, stop: CancellationToken) {
    let mut runs: FuturesUnordered<AbortOnDropHandle<Option<()>>> = FuturesUnordered::new();
    let mut poll = tokio::time::interval(crew.shared.options.poll_every);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut away = false;
    while !stop.is_cancelled() {
        wakes.mark_seen();
        match crew.take().await {
            Ok(taken) => {
                away = false;
                if !taken.is_empty() {
                    crew.shared.changed();
                }
                runs.extend(taken.into_iter().map(|taken| begin(&crew, taken, &stop)));
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(error = %error, "jobs cannot be taken; trying again");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            _ = runs.next(), if !runs.is_empty() => {}
            () = wakes.woken(), if !away => {}
            () = cancels.woken() => {
                cancels.mark_seen();
                if let Err(error) = crew.tell_cancelled().await {
                    tracing::debug!(error = %error, "not known yet which jobs were cancelled; the keeper asks again");
                }
            }
            _ = poll.tick() => {}
        }
    }
    while runs.next().await.is_some() {}
}

/// Starts work on a job.
fn begin(crew: &Arc<Crew>, taken: Taken, stop: &CancellationToken) -> AbortOnDropHandle<Option<()>> {
    let run = Run::new(Arc::clone(&crew.shared), taken);
    crew.held().insert(run.job().id.clone(), Held { run: run.clone(), since: Instant::now() });
    let (crew, stop) = (Arc::clone(crew), stop.clone());
    AbortOnDropHandle::new(task::spawn("jobs.run", async move {
        // Also when this task is cut off or panics, so that the place is free again.
        let _place = Place { crew: Arc::clone(&crew), id: run.job().id.clone() };
        let Some(handler) = crew.handlers.get(run.job().kind.as_str()) else { return };
        let ending = attempt(&crew.shared, &**handler, &run, &stop).await;
        run.write().await;
        finish(&crew.shared, &run, ending).await;
    }))
}

struct Place {
    crew: Arc<Crew>,
    id: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crew.held().remove(&self.id);
    }
}

/// How an attempt ended, as far as this process is concerned.
enum Ended {
    /// To be written.
    Write(Ending),
    /// Written by the handler.
    Written,
    /// The job is not this worker's any more.
    Lost,
}

async fn attempt(shared: &Shared, handler: &dyn Handler, run: &Run, stop: &CancellationToken) -> Ended {
    let job = run.job();
    tracing::info!(
        job.id,
        job.r#type = job.kind,
        job.target,
        job.attempt,
        correlation_id = job.correlation_id,
        "a job begins"
    );
    let stopping = run.stopping();
    let out_of_patience = async {
        tokio::select! {
            () = stopping.cancelled() => {}
            () = stop.cancelled() => stopping.cancel(),
        }
        tokio::time::sleep(shared.options.grace).await;
    };
    let result = tokio::select! {
        result = AssertUnwindSafe(handler.run(run)).catch_unwind() => {
            result.unwrap_or_else(|_| Err(Failure::Again("the program has a defect here: its log says more".into())))
        }
        () = tokio::time::sleep(handler.limit()) => {
            Err(Failure::Again(format!("it took longer than {} s", handler.limit().as_secs())))
        }
        () = run.lost().cancelled() => return Ended::Lost,
        () = out_of_patience => Err(Failure::Stopped),
        () = run.keep_writing() => return Ended::Lost,
    };
    match result {
        Ok(Done::Written) => Ended::Written,
        Ok(Done::With(result)) => Ended::Write(Ending::Succeeded(result)),
        Err(_) if run.lost().is_cancelled() => Ended::Lost,
        Err(Failure::Stopped) if stop.is_cancelled() => Ended::Write(Ending::HandedBack),
        Err(Failure::Stopped) => Ended::Write(Ending::Cancelled),
        Err(Failure::Final(why)) => Ended::Write(Ending::Failed(why, Next::End(Status::Failed))),
        Err(Failure::Again(why)) => {
            let next = jobs::after_failure(job.attempt, job.max_attempts, shared.options.first_pause, rand::random());
            Ended::Write(Ending::Failed(why, next))
        }
    }
}

/// Writes how the attempt ended; as long as the lock may last, if need be.
async fn finish(shared: &Shared, run: &Run, ended: Ended) {
    let ending = match ended {
        Ended::Lost => {
            tracing::warn!(job.id = run.job().id, "another worker has taken a job over");
            metrics::counter!("streamspace_lock_acquisition_failures_total", "reason" => "lost").increment(1);
            return;
        }
        Ended::Written => Ending::Succeeded(serde_json::Value::Null),
        Ended::Write(ending) => {
            let until = Instant::now() + shared.options.lease;
            while let Err(error) = write(shared, run, &ending).await {
                if Instant::now() >= until {
                    tracing::warn!(job.id = run.job().id, error = %error, "how a job ended could not be written: it is run again");
                    return;
                }
                tokio::time::sleep(WRITE_AGAIN).await;
            }
            ending
        }
    };
    shared.changed();
    report(shared, run, &ending);
}

async fn write(shared: &Shared, run: &Run, ending: &Ending) -> Result<(), Error> {
    let db = shared.pool.get().await?;
    if locks::end(&db, run.job(), run.number(), ending).await? && matches!(ending, Ending::HandedBack) {
        // This process takes none any more: others are to hear of it.
        locks::wake_workers(&db).await?;
    }
    Ok(())
}

/// Says in log and figures how an attempt ended.
fn report(shared: &Shared, run: &Run, ending: &Ending) {
    let job = run.job();
    let took = job.started_at.map_or(0.0, |began| shared.clock.now().duration_since(began).as_secs_f64().max(0.0));
    let (status, why) = match ending {
        Ending::Succeeded(_) => ("SUCCEEDED", None),
        Ending::Failed(why, Next::Again(_)) => ("retried", Some(why)),
        Ending::Failed(why, Next::End(status)) => (status.word(), Some(why)),
        Ending::Cancelled => ("CANCELLED", None),
        Ending::HandedBack => ("handed back", None),
    };
    tracing::info!(
        job.id,
        job.r#type = job.kind,
        job.target,
        job.status = status,
        error = why,
        duration_s = took,
        correlation_id = job.correlation_id,
        "a job ended"
    );
    count(&job.kind, status, took);
}

/// Counts an attempt that ended.
pub(super) fn count(kind: &str, status: &'static str, took_s: f64) {
    metrics::counter!("streamspace_jobs_total", "type" => kind.to_owned(), "status" => status).increment(1);
    metrics::histogram!("streamspace_job_duration_seconds", "type" => kind.to_owned(), "status" => status)
        .record(took_s);
}
