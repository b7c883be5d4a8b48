//! Waiting for what comes by itself.

use std::time::{Duration, Instant};

/// A pause between two looks.
pub const LOOK: Duration = Duration::from_millis(20);

/// Waits until `look` finds what it looks for, and says what was awaited where it does not come within `limit`.
pub async fn within<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
