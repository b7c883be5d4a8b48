//! The steps of bringing the world in line with a session: told in the log at `trace`, and to whoever watches them.
//!
//! Between any two of them the process may end and nothing may come of it. Tests end it after each.

use std::sync::OnceLock;

/// A step that changed something, or found out what the next rests on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Template, workload and live figures were found.
    Looked,
    /// What the session needs of its owner's limits is reserved.
    Admitted,
    /// The finalizer is on it.
    Guarded,
    /// The claim of its home is there.
    HomeMade,
    /// The engine did what it was asked for.
    Called,
    /// The run counts for the hours of its owner's month.
    RunNoted,
    /// The platform itself changed what is wanted.
    Changed,
    /// The person was told of a stop.
    Warned,
    /// What the session held of limits is free, of one whose object goes.
    Freed,
    /// The database holds nothing else of it.
    Forgotten,
    /// The finalizer is off, or the object deleted.
    Left,
    /// What it held for its run is free, of one that comes to rest.
    Rested,
    /// The status stands.
    Shown,
    /// Its story is in the database.
    Kept,
    /// A part of its story is told as an Event.
    Told,
}

impl Step {
    /// Each of them.
    pub const ALL: [Self; 15] = [
        Self::Looked,
        Self::Admitted,
        Self::Guarded,
        Self::HomeMade,
        Self::Called,
        Self::RunNoted,
        Self::Changed,
        Self::Warned,
        Self::Freed,
        Self::Forgotten,
        Self::Left,
        Self::Rested,
        Self::Shown,
        Self::Kept,
        Self::Told,
    ];

    /// Says that this step of that session was taken.
    pub(crate) fn taken(self, session: &str) {
        tracing::trace!(session.id = session, step = ?self, "taken");
        if let Some(watcher) = WATCHER.get() {
            watcher(self);
        }
    }
}

/// Who watches, in the process of a test.
static WATCHER: OnceLock<fn(Step)> = OnceLock::new();

/// Has `watcher` called after each step, before the next begins; the first who asks.
pub fn watch(watcher: fn(Step)) {
    WATCHER.get_or_init(|| watcher);
}
