//! Rules over jobs: their states, when a failed one is tried again, what a caller sees of one.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How often a job is tried before it is given up, unless its type says otherwise.
pub const ATTEMPTS: u32 = 3;
/// How many workers may be lost over one job before it is given up: it may be what takes them down.
pub const LOSSES: u32 = 5;
/// A pause between attempts is at most this long.
pub const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// By how much each pause is longer than the one before.
const PAUSE_FACTOR: u32 = 4;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It waits: for its turn, or for the next attempt.
    Pending,
    /// A worker is at it.
    Running,
    /// It is done.
    Succeeded,
    /// It failed in a way that another attempt would not mend.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// Every attempt failed, or it took its workers down: given up until somebody drives it again.
    Dead,
}

impl Status {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::Dead];

    /// Its word on the wire and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Dead => "DEAD",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether nothing more happens to the job by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Dead => true,
        }
    }

    /// Whether somebody can drive the job again.
    #[must_use]
    pub const fn can_be_driven_again(self) -> bool {
        match self {
            Self::Failed | Self::Cancelled | Self::Dead => true,
            Self::Pending | Self::Running | Self::Succeeded => false,
        }
    }
}

/// How far a job is.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct Progress {
    /// Steps that are done.
    pub done: u64,
    /// Steps in all, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What is being done, in a few words.
    pub message: String,
}

/// A job as callers see it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// `job_` and a ULID.
    #[schema(example = "job_01JD8Z7T2W9F6M0Q4K1V3X5Y7B")]
    pub id: String,
    /// What kind of work, such as `catalog.sync`.
    #[serde(rename = "type")]
    pub kind: String,
    /// On what, such as `repository/{id}`. Jobs of one target run one after the other.
    pub target: String,
    /// Where it is in its life.
    pub status: Status,
    /// Attempts that began.
    pub attempt: u32,
    /// After so many it is given up.
    pub max_attempts: u32,
    /// How far it is, as far as it said.
    pub progress: Option<Progress>,
    /// Why the latest attempt failed.
    pub error: Option<String>,
    /// What came of it.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Whether somebody asked for its end.
    pub cancel_requested: bool,
    /// The request that it came from.
    pub correlation_id: Option<String>,
    /// Who asked for it; null: the platform itself.
    pub created_by: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// It does not begin before.
    pub run_after: Timestamp,
    /// Begin of the latest attempt.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// A line of a job's log.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LogLine {
    /// From 1, without gaps.
    pub number: u32,
    /// In which attempt it was written.
    pub attempt: u32,
    /// When.
    pub time: Timestamp,
    /// How grave it is.
    pub level: LogLevel,
    /// One line.
    pub message: String,
}

/// How grave a line is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JobLogLevel)]
pub enum LogLevel {
    /// What happens.
    Info,
    /// What somebody should know of.
    Warning,
    /// What went wrong.
    Error,
}

impl LogLevel {
    /// Its word on the wire and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The level of that word; `info` for one that is not known.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        [Self::Warning, Self::Error].into_iter().find(|level| level.word() == word).unwrap_or(Self::Info)
    }
}

/// What becomes of a job whose attempt ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// It is tried again after a pause.
    Again(Duration),
    /// It has ended.
    End(Status),
}

/// What becomes of a job after its attempt number `attempt` (from 1) of at most `most` failed.
///
/// `first_pause` is about how long the first pause is; each is longer than the one before, and `chance` (0 to 1) takes
/// away up to half of it, so that jobs which failed together do not come back together.
#[must_use]
pub fn after_failure(attempt: u32, most: u32, first_pause: Duration, chance: f64) -> Next {
    if attempt >= most {
        return Next::End(Status::Dead);
    }
    Next::Again(pause(attempt, first_pause, chance))
}

/// What becomes of a job over which `losses` workers were lost, this one included.
#[must_use]
pub fn after_loss(losses: u32, first_pause: Duration, chance: f64) -> Next {
    if losses >= LOSSES { Next::End(Status::Dead) } else { Next::Again(pause(losses, first_pause, chance)) }
}

fn pause(times: u32, first: Duration, chance: f64) -> Duration {
    let whole = first.saturating_mul(PAUSE_FACTOR.saturating_pow(times.saturating_sub(1))).min(LONGEST_PAUSE);
    whole.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn every_state_has_a_word_of_its_own() {
        for status in Status::ALL {
            assert_eq!(Status::from_word(status.word()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.word());
        }
        assert_eq!(Status::from_word("pending"), None);
    }

    #[test]
    fn only_what_ended_without_success_can_be_driven_again() {
        let again: Vec<_> = Status::ALL.into_iter().filter(|status| status.can_be_driven_again()).collect();
        assert_eq!(again, [Status::Failed, Status::Cancelled, Status::Dead]);
        assert!(again.iter().all(|status| status.is_final()));
    }

    #[test]
    fn the_last_attempt_is_followed_by_none() {
        assert_eq!(after_failure(1, 3, SECOND, 0.0), Next::Again(SECOND));
        assert_eq!(after_failure(2, 3, SECOND, 0.0), Next::Again(4 * SECOND));
        assert_eq!(after_failure(3, 3, SECOND, 0.0), Next::End(Status::Dead));
        assert_eq!(after_failure(9, 3, SECOND, 0.0), Next::End(Status::Dead));
    }

    #[test]
    fn a_pause_is_shortened_by_half_at_most_and_never_without_end() {
        assert_eq!(after_failure(1, 3, SECOND, 1.0), Next::Again(SECOND / 2));
        assert_eq!(after_failure(1, 3, SECOND, 7.0), Next::Again(SECOND / 2));
        assert_eq!(after_failure(40, 50, SECOND, 0.0), Next::Again(LONGEST_PAUSE));
    }

    #[test]
    fn a_job_that_takes_its_workers_down_is_given_up_in_the_end() {
        assert_eq!(after_loss(1, SECOND, 0.0), Next::Again(SECOND));
        assert!(matches!(after_loss(LOSSES - 1, SECOND, 0.0), Next::Again(_)));
        assert_eq!(after_loss(LOSSES, SECOND, 0.0), Next::End(Status::Dead));
    }
}
