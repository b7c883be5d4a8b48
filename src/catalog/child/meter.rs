//! What comes from the network: how much, and what went wrong first.

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::Failure;

/// Counts the bytes of a fetch, and keeps its first failure, which says more than what libgit2 makes of it.
#[derive(Debug)]
pub struct Meter {
    left: AtomicU64,
    limit: u64,
    failure: Mutex<Option<Failure>>,
}

impl Meter {
    /// Allows so many bytes.
    pub fn new(limit: u64) -> Self {
        Self { left: AtomicU64::new(limit), limit, failure: Mutex::new(None) }
    }

    /// What went wrong first.
    pub fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a failure, if it is the first; the error is for libgit2. `again`: another attempt may go better.
    pub fn fail(&self, message: String, again: bool) -> io::Error {
        let error = io::Error::other(message.clone());
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((message, again));
        error
    }

    /// Counts what came.
    pub fn count(&self, bytes: usize) -> io::Result<()> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes as u64));
        taken.map(drop).map_err(|_| {
            self.fail(
                format!("the repository has more than {} MiB, which is the limit", self.limit / 1024 / 1024),
                false,
            )
        })
    }
}
