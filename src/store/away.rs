//! Whether a failure means that the database is away, which passes, or that we asked it something wrong, which does not.

use std::{error::Error as StdError, io::ErrorKind};

use deadpool_postgres::PoolError;
use tokio::time::error::Elapsed;
use tokio_postgres::error::SqlState;

use crate::Error;

/// Whether `error` says that there was no connection, that it was lost, or that the answer did not come in time.
///
/// Anything else, such as a statement that PostgreSQL does not understand or a row that cannot be read, fails again
/// however often it is repeated.
pub fn is_away(error: &(dyn StdError + 'static)) -> bool {
    match error.downcast_ref::<tokio_postgres::Error>() {
        Some(error) => lost(error),
        // Whoever got no connection from the pool has asked nothing yet.
        None => error.is::<PoolError>() || error.is::<Elapsed>(),
    }
}

fn lost(error: &tokio_postgres::Error) -> bool {
    if let Some(state) = error.code() {
        return passes(state);
    }
    // What cannot be encoded or parsed is told with an I/O error too.
    let of_network = |cause: &std::io::Error| !matches!(cause.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData);
    error.is_closed() || error.source().and_then(|cause| cause.downcast_ref()).is_some_and(of_network)
}

/// Whether what PostgreSQL reports is its own condition: a stop, no room for another connection or on the disk, a limit
/// of time that we set.
fn passes(state: &SqlState) -> bool {
    const CLASSES: [&str; 2] = ["08", "53"];
    const STATES: [SqlState; 7] = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_SESSION_TIMEOUT,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::QUERY_CANCELED,
        SqlState::LOCK_NOT_AVAILABLE,
    ];
    CLASSES.iter().any(|class| state.code().starts_with(class)) || STATES.contains(state)
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        if is_away(&error) { Self::Database(Box::new(error)) } else { Self::internal(error) }
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        Self::Database(Box::new(error))
    }
}
