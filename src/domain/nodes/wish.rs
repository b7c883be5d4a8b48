//! How somebody wants a node to be emptied.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::fields::FieldError;

/// Seconds after which a drain that does not come to its end has failed, unless told otherwise.
const TIMEOUT_S: u32 = 3_600;
/// Bounds of that time.
const TIMEOUT_BOUNDS_S: std::ops::RangeInclusive<u32> = 60..=86_400;
/// Minutes that people are given, unless told otherwise.
const WARN_MINUTES: u32 = 5;
/// Most minutes that people can be given.
const MOST_WARN_MINUTES: u32 = 1_440;
/// Most seconds that a pod can be given to end.
const MOST_GRACE_S: u32 = 3_600;
/// What a stop takes at most, which the time for all of it has to have room for.
const STOP_S: u32 = 60;

/// What becomes of the sessions.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DrainStrategy)]
pub enum Strategy {
    /// They are put to sleep, and wake on another node when somebody wants them; on one machine once it is uncordoned.
    #[default]
    Hibernate,
    /// They are started again on another node.
    Migrate,
    /// They are left until they end or sleep by themselves.
    Wait,
}

/// How a node is to be emptied.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = Drain)]
pub struct Wish {
    /// What becomes of the sessions.
    pub strategy: Strategy,
    /// Minutes that people who are in a session are given, 0 to 1440. Whoever leaves is not waited for.
    #[schema(default = 5, minimum = 0, maximum = 1440)]
    pub warn_minutes: u32,
    /// Seconds after which it has failed, 60 to 86400.
    #[schema(default = 3600, minimum = 60, maximum = 86400)]
    pub timeout_seconds: u32,
    /// Seconds that an evicted pod may take to end, 0 to 3600; absent: as long as it says itself. This and the next three
    /// mean something in a cluster only.
    #[schema(minimum = 0, maximum = 3600)]
    pub grace_period_seconds: Option<u32>,
    /// Leaves pods of DaemonSets alone; without it their being there is an obstacle.
    #[schema(default = true)]
    pub ignore_daemon_sets: bool,
    /// Evicts pods with `emptyDir` volumes too, whose data goes with them. Pods of sessions need no such word.
    pub delete_empty_dir_data: bool,
    /// Evicts pods too that nothing makes again.
    pub force: bool,
    /// Answers the plan, and does nothing.
    pub dry_run: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            warn_minutes: WARN_MINUTES,
            timeout_seconds: TIMEOUT_S,
            grace_period_seconds: None,
            ignore_daemon_sets: true,
            delete_empty_dir_data: false,
            force: false,
            dry_run: false,
        }
    }
}

impl Wish {
    /// Whether it can be meant.
    ///
    /// # Errors
    /// Every field that is out of its bounds.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut wrong = Vec::new();
        if self.warn_minutes > MOST_WARN_MINUTES {
            wrong.push(FieldError::new("warnMinutes", format!("must be at most {MOST_WARN_MINUTES}")));
        }
        if self.grace_period_seconds.is_some_and(|seconds| seconds > MOST_GRACE_S) {
            wrong.push(FieldError::new("gracePeriodSeconds", format!("must be at most {MOST_GRACE_S}")));
        }
        let (least, most) = (TIMEOUT_BOUNDS_S.start(), TIMEOUT_BOUNDS_S.end());
        if !TIMEOUT_BOUNDS_S.contains(&self.timeout_seconds) {
            wrong.push(FieldError::new("timeoutSeconds", format!("must lie between {least} and {most}")));
        } else if self.strategy != Strategy::Wait
            && self.timeout_seconds < self.warn_minutes.saturating_mul(60) + STOP_S
        {
            let room = "must be at least a minute longer than people are warned";
            wrong.push(FieldError::new("timeoutSeconds", room));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// When a drain that began at `began` has failed.
    #[must_use]
    pub fn ends_at(&self, began: Timestamp) -> Timestamp {
        after(began, self.timeout_seconds)
    }
}

/// `moment` and so many seconds, or the end of time.
pub(super) fn after(moment: Timestamp, seconds: u32) -> Timestamp {
    moment.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_named() {
        let fields = |wish: Wish| {
            let wrong = wish.check().err().unwrap_or_default();
            wrong.into_iter().map(|wrong| wrong.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(Wish::default()), Vec::<String>::new());
        assert_eq!(
            fields(Wish { warn_minutes: 1_441, timeout_seconds: 1, ..Wish::default() }),
            ["warnMinutes", "timeoutSeconds"]
        );
        assert_eq!(fields(Wish { grace_period_seconds: Some(3_601), ..Wish::default() }), ["gracePeriodSeconds"]);
        assert_eq!(fields(Wish { warn_minutes: 10, timeout_seconds: 600, ..Wish::default() }), ["timeoutSeconds"]);
        let waits = Wish { strategy: Strategy::Wait, warn_minutes: 10, timeout_seconds: 600, ..Wish::default() };
        assert_eq!(fields(waits), Vec::<String>::new());
    }
}
