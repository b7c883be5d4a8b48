//! A request with an `Idempotency-Key` has its effect once, however often it is sent.
//!
//! The key is entered before the effect and its answer kept after it. A process that dies in between leaves an attempt
//! without an answer: the next request with the key executes again, which services are made for (`design.md` 7).

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use crate::store::idempotency::{Kept, KeyOf};
use crate::{
    Error,
    clock::{self, Clock},
    store::{
        Pool,
        idempotency::{self as store, Attempt, Known},
    },
};

/// How long a key is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// After this time, in seconds, an attempt of another instance is given up: a request has 10 s.
const ABANDONED_S: f64 = 15.0;
/// A key that vanishes between two looks is tried again so often.
const LOOKS: u32 = 3;
/// How often expired keys are removed.
const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// Keys removed in one statement.
const SWEEP_MOST: i64 = 1_000;

/// The keys of one server process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Pool,
    clock: Arc<dyn Clock>,
    instance: Uuid,
    alone: bool,
    running: Mutex<HashSet<KeyOf>>,
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Begun {
    /// Execute it, and tell [`Running`] the answer.
    Execute(Running),
    /// Tell this answer again.
    Replay(Kept),
}

/// An execution under way. Dropped without an answer (the caller went away, the time ran out) it leaves the attempt
/// open, and the next request with the key executes again.
#[derive(Debug)]
pub struct Running {
    keys: Keys,
    key: KeyOf,
    attempt: Uuid,
}

impl Keys {
    /// For a new process. `alone`: no other process serves this database, so what is under way elsewhere is dead.
    #[must_use]
    pub fn new(pool: Pool, clock: Arc<dyn Clock>, alone: bool) -> Self {
        Self(Arc::new(Inner { pool, clock, instance: Uuid::new_v4(), alone, running: Mutex::default() }))
    }

    /// Decides about a request with `key`.
    ///
    /// # Errors
    /// [`Error::KeyReused`] where the key was used with another request, [`Error::KeyInFlight`] while the first is
    /// under way, [`Error::Database`].
    pub async fn begin(&self, key: KeyOf, request_hash: [u8; 32]) -> Result<Begun, Error> {
        let mut running = self.reserve(&key);
        for _ in 0..LOOKS {
            let (client, now) = (self.0.pool.get().await?, self.0.clock.now());
            if let Some(entering) = running.take() {
                let expires_at = now.checked_add(REMEMBERED).map_err(Error::internal)?;
                let attempt = Attempt { request_hash, id: entering.attempt, instance: self.0.instance, expires_at };
                if store::begin(&client, &key, &attempt, now, self.0.alone, ABANDONED_S).await? {
                    return Ok(Begun::Execute(entering));
                }
                running = Some(entering);
            }
            match store::read(&client, &key, now).await? {
                Some(Known { request_hash: first, .. }) if first != request_hash => return Err(Error::KeyReused),
                Some(Known { kept: Some(answer), .. }) => return Ok(Begun::Replay(answer)),
                Some(Known { kept: None, .. }) => return Err(Error::KeyInFlight),
                // Forgotten between the two statements, or not entered yet by the request that reserved it.
                None => {}
            }
        }
        Err(Error::KeyInFlight)
    }

    /// Notes that this process works on `key`; `None` if it does already.
    fn reserve(&self, key: &KeyOf) -> Option<Running> {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(key.clone()).then(|| Running { keys: self.clone(), key: key.clone(), attempt: Uuid::new_v4() })
    }

    /// Removes expired keys until `stop`.
    pub async fn sweep(self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.sweep_once().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "expired idempotency keys were not removed");
            }
            let nap = clock::sleep(&*self.0.clock, SWEEP_EVERY);
            if stop.run_until_cancelled(nap).await.is_none() {
                return;
            }
        }
    }

    /// Removes all keys that are expired now, and says how many.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn sweep_once(&self) -> Result<u64, Error> {
        let client = self.0.pool.get().await?;
        let mut removed = 0;
        loop {
            let now = store::remove_expired(&client, self.0.clock.now(), SWEEP_MOST).await?;
            removed += now;
            if now < SWEEP_MOST.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}

impl Running {
    /// Keeps `answer` for whoever asks again; one that says "not now" (409, 429, 5xx) is forgotten instead.
    ///
    /// # Errors
    /// [`Error::Database`]: the answer was not kept, and a repeated request will be executed again.
    pub async fn finish(self, answer: &Kept) -> Result<(), Error> {
        if matches!(answer.status, 409 | 429 | 500..) {
            return self.forget().await;
        }
        store::keep(&self.keys.0.pool.get().await?, &self.key, self.attempt, answer).await
    }

    /// Keeps no answer: the same request may meet another one soon.
    ///
    /// # Errors
    /// [`Error::Database`]: it is forgotten later.
    pub async fn forget(self) -> Result<(), Error> {
        store::forget(&self.keys.0.pool.get().await?, &self.key, self.attempt).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.keys.0.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
