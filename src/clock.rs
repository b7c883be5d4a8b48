//! The one source of time.
//!
//! Everything that asks for the time of day or waits for a moment asks the [`Clock`] it was handed, so that a
//! test can move time. Time-outs of I/O use tokio's own clock: they bound a wait and mean no moment.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Tells the time and waits for it.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Returns once `now() >= moment`.
    async fn sleep_until(&self, moment: Timestamp);

    /// Changes each time the clock was moved by hand; never for a clock that cannot be.
    fn moved(&self) -> watch::Receiver<u64>;

    /// How far it is ahead of the host's clock (negative: behind); zero for a clock that cannot be moved by hand. Another
    /// process that is handed this tells the same time.
    fn ahead(&self) -> SignedDuration;
}

/// Waits for `duration` by `clock`.
pub async fn sleep(clock: &dyn Clock, duration: Duration) {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    let until = clock.now().checked_add(duration).unwrap_or(Timestamp::MAX);
    clock.sleep_until(until).await;
}

/// The host's clock.
#[derive(Debug)]
pub struct SystemClock {
    never: watch::Sender<u64>,
}

impl SystemClock {
    /// A handle to the host's clock.
    #[must_use]
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self { never: watch::Sender::new(0) })
    }
}

/// Longest single wait, so that a step of the host's clock is noticed within it.
const LONGEST_NAP: Duration = Duration::from_secs(5);

#[async_trait]
impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, moment: Timestamp) {
        loop {
            let left = moment.duration_since(self.now());
            if left <= SignedDuration::ZERO {
                return;
            }
            tokio::time::sleep(left.unsigned_abs().min(LONGEST_NAP)).await;
        }
    }

    fn moved(&self) -> watch::Receiver<u64> {
        self.never.subscribe()
    }

    fn ahead(&self) -> SignedDuration {
        SignedDuration::ZERO
    }
}

/// A clock that runs with the host's and can be moved ahead or back: for tests and rehearsals, and for a process that is
/// to tell the time of another.
#[derive(Debug)]
pub struct MovableClock {
    offset: watch::Sender<(u64, SignedDuration)>,
    moved: watch::Sender<u64>,
    system: Arc<dyn Clock>,
}

impl MovableClock {
    /// A clock that shows the host's time until it is moved.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        Arc::new(Self {
            offset: watch::Sender::new((0, SignedDuration::ZERO)),
            moved: watch::Sender::new(0),
            system: SystemClock::shared(),
        })
    }

    /// Moves the clock by `step`, which may be negative; everyone who waits looks again.
    pub fn advance(&self, step: SignedDuration) {
        self.offset.send_modify(|(count, offset)| {
            *count += 1;
            *offset = offset.saturating_add(step);
        });
        self.moved.send_modify(|count| *count += 1);
    }
}

#[async_trait]
impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        self.system.now().checked_add(self.ahead()).unwrap_or(Timestamp::MAX)
    }

    async fn sleep_until(&self, moment: Timestamp) {
        let mut offset = self.offset.subscribe();
        loop {
            let (_, ahead) = *offset.borrow_and_update();
            let there = moment.checked_sub(ahead).unwrap_or(moment);
            tokio::select! {
                () = self.system.sleep_until(there) => return,
                moved = offset.changed() => if moved.is_err() { return },
            }
        }
    }

    fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    fn ahead(&self) -> SignedDuration {
        self.offset.borrow().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_clock_that_is_moved_wakes_those_who_wait_for_the_new_time() {
        let clock = MovableClock::shared();
        let noon = clock.now() + SignedDuration::from_hours(1);
        let waiting = tokio::time::timeout(Duration::from_secs(5), clock.sleep_until(noon));
        clock.advance(SignedDuration::from_hours(2));
        assert!(waiting.await.is_ok());
        assert!(clock.now() > noon);
        assert_eq!(clock.ahead(), SignedDuration::from_hours(2));
    }

    #[tokio::test]
    async fn a_clock_that_is_not_moved_lets_them_wait() {
        let clock = MovableClock::shared();
        let later = clock.now() + SignedDuration::from_hours(1);
        assert!(tokio::time::timeout(Duration::from_millis(20), clock.sleep_until(later)).await.is_err());
    }
}
