//! One attempt at a job, as its handler sees it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deadpool_postgres::GenericClient;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::{
    Error,
    domain::jobs::{Job, LogLevel, Progress},
    store::jobs::{
        locks::{self, Ending, Taken},
        logs::{self, Line},
    },
};

/// How often progress and log are written.
const WRITE_EVERY: Duration = Duration::from_millis(250);
/// Most bytes of a line.
const LINE_BYTES: usize = 4 * 1024;
/// Most lines of an attempt.
const LINES_MAX: usize = 5_000;

/// What waits to be written.
#[derive(Debug, Default)]
struct Draft {
    lines: Vec<Line>,
    /// Lines of this attempt so far.
    count: usize,
    progress: Option<Progress>,
    /// What came of it, as it was written last.
    so_far: Option<Value>,
}

/// One attempt at a job. What is told it is written a little later, all at once, and only while the job is this
/// worker's.
#[derive(Clone, Debug)]
pub struct Run(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    taken: Taken,
    draft: Mutex<Draft>,
    stopping: CancellationToken,
    lost: CancellationToken,
}

impl Run {
    pub(super) fn new(shared: Arc<Shared>, taken: Taken) -> Self {
        let (stopping, lost) = (CancellationToken::new(), CancellationToken::new());
        Self(Arc::new(Inner { shared, taken, draft: Mutex::default(), stopping, lost }))
    }

    /// The job as it was taken.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.0.taken.job
    }

    /// What the job was given to work with.
    ///
    /// # Errors
    /// A defect of ours: it was enqueued with something else.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(&self.0.taken.payload).map_err(Error::internal)
    }

    /// The number that this attempt's writes carry.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.0.taken.number
    }

    /// Fires when the attempt is to come to an end: somebody cancelled the job, or the server stops.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.0.stopping.clone()
    }

    /// Fires when the job is not this worker's any more.
    pub(super) fn lost(&self) -> &CancellationToken {
        &self.0.lost
    }

    /// Adds a line to the job's log: what happens.
    pub fn info(&self, message: impl AsRef<str>) {
        self.line(LogLevel::Info, message.as_ref());
    }

    /// Adds a line that somebody should know of.
    pub fn warning(&self, message: impl AsRef<str>) {
        self.line(LogLevel::Warning, message.as_ref());
    }

    /// Adds a line about what went wrong.
    pub fn error(&self, message: impl AsRef<str>) {
        self.line(LogLevel::Error, message.as_ref());
    }

    fn line(&self, level: LogLevel, message: &str) {
        let mut draft = self.draft();
        draft.count += 1;
        let text = match draft.count {
            ..LINES_MAX => tidy(message),
            LINES_MAX => format!("the log ends here: it has {LINES_MAX} lines"),
            _ => return,
        };
        draft.lines.push(Line { time: self.0.shared.clock.now(), level, message: text });
    }

    /// Says how far the job is; only the latest is kept.
    pub fn progress(&self, done: u64, total: Option<u64>, message: impl Into<String>) {
        self.draft().progress = Some(Progress { done, total, message: message.into() });
    }

    /// Holds on to the job for the length of a transaction: nobody else can take it over before that ends.
    ///
    /// # Errors
    /// [`Error::Conflict`] where it is not this worker's any more: the transaction has to be given up.
    pub async fn guard(&self, transaction: &impl GenericClient) -> Result<(), Error> {
        let ours = locks::guard(transaction, self.job(), self.number()).await?;
        self.ours(ours)
    }

    /// Writes at once what came of the job so far: it is shown, an attempt that goes on finds it in [`Run::job`], and it
    /// stays where the job ends without success. What did not change costs nothing.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the job is not this worker's any more.
    pub async fn so_far(&self, result: Value) -> Result<(), Error> {
        if self.draft().so_far.as_ref() == Some(&result) {
            return Ok(());
        }
        let ours = locks::so_far(&self.0.shared.pool.get().await?, self.job(), self.number(), &result).await?;
        self.ours(ours)?;
        self.draft().so_far = Some(result);
        self.0.shared.changed();
        Ok(())
    }

    /// Ends the job with `result` in the transaction that brings about what it is for: both happen, or neither. The
    /// handler then returns [`Done::Written`](super::Done::Written).
    ///
    /// # Errors
    /// [`Error::Conflict`] where it is not this worker's any more: the transaction has to be given up.
    pub async fn complete(&self, transaction: &impl GenericClient, result: Value) -> Result<(), Error> {
        self.flush(transaction).await?;
        let ours = locks::end(transaction, self.job(), self.number(), &Ending::Succeeded(result)).await?;
        self.ours(ours)
    }

    fn ours(&self, ours: bool) -> Result<(), Error> {
        if ours {
            return Ok(());
        }
        self.0.lost.cancel();
        Err(Error::Conflict("another worker has taken this job over".into()))
    }

    /// Nothing that is done under this lock panics.
    fn draft(&self) -> MutexGuard<'_, Draft> {
        self.0.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits to be written.
    pub(super) async fn flush(&self, db: &impl GenericClient) -> Result<(), Error> {
        let (lines, progress) = {
            let mut draft = self.draft();
            (std::mem::take(&mut draft.lines), draft.progress.take())
        };
        let mut ours = true;
        if let Some(progress) = progress {
            ours &= locks::note(db, self.job(), self.number(), &progress).await?;
        }
        if !lines.is_empty() {
            ours &= logs::append(db, self.job(), self.number(), &lines).await?;
        }
        self.ours(ours)
    }

    fn has_news(&self) -> bool {
        let draft = self.draft();
        draft.progress.is_some() || !draft.lines.is_empty()
    }

    /// Writes from time to time what waits to be written; never ends. A database that does not answer costs lines,
    /// never the job.
    pub(super) async fn keep_writing(&self) {
        loop {
            tokio::time::sleep(WRITE_EVERY).await;
            self.write().await;
        }
    }

    /// Writes what waits to be written, where there is something.
    pub(super) async fn write(&self) {
        if !self.has_news() {
            return;
        }
        match async { self.flush(&self.0.shared.pool.get().await?).await }.await {
            Ok(()) => self.0.shared.changed(),
            Err(error) => tracing::debug!(job.id = self.job().id, error = %error, "a job's log could not be written"),
        }
    }
}

/// One line without control characters, cut to what is kept.
fn tidy(message: &str) -> String {
    let end = message.floor_char_boundary(LINE_BYTES.min(message.len()));
    message[..end].chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_of_bounded_length() {
        assert_eq!(tidy("a\nb\u{1b}[31m"), "a b [31m");
        let long = "ä".repeat(LINE_BYTES);
        assert_eq!(tidy(&long).len(), LINE_BYTES);
        assert_eq!(tidy(&long[..LINE_BYTES - 2]).len(), LINE_BYTES - 2);
    }
}
