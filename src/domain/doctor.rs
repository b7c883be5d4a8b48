//! The start doctor: a cause, what happened, what to do, and what a button can do about it.

use std::time::Duration;

use jiff::Timestamp;

use super::time;
use crate::crd::{Reason, Remedy, Verdict};

/// Failures within this time count together.
pub const WINDOW: Duration = Duration::from_mins(10);
/// This many failures within [`WINDOW`] end the attempts.
pub const MOST_FAILURES: usize = 3;

/// A verdict with the remedy that belongs to its cause.
#[must_use]
pub fn verdict(reason: Reason, message: impl Into<String>, since: Timestamp) -> Verdict {
    let (remedy, action) = remedy(reason);
    Verdict { reason, message: message.into(), remedy: remedy.into(), action, since: Some(time::second(since)) }
}

/// The verdict about a session that cannot start because none can at the moment, as `message` says.
#[must_use]
pub fn closed(message: &str, since: Timestamp) -> Verdict {
    Verdict {
        remedy: "It starts by itself once sessions can be started again. Ask an operator when that is.".into(),
        action: Some(Remedy::AskAdmin),
        ..verdict(Reason::Unschedulable, message, since)
    }
}

/// What to do about a cause.
const fn remedy(reason: Reason) -> (&'static str, Option<Remedy>) {
    match reason {
        Reason::ImageNotFound => ("Ask an administrator to correct the template's image.", Some(Remedy::AskAdmin)),
        Reason::ImagePullDenied => ("Ask an administrator for access to the image's registry.", Some(Remedy::AskAdmin)),
        Reason::Unschedulable => {
            ("Choose a smaller size, or try again when others have stopped.", Some(Remedy::ChangeSize))
        }
        Reason::VolumeAttachedElsewhere => {
            ("Stop your session on the other node, or wait until it is free.", Some(Remedy::StopOther))
        }
        Reason::VolumePending => {
            ("Wait a moment; if it lasts, ask an administrator about the storage.", Some(Remedy::AskAdmin))
        }
        Reason::QuotaExceeded => ("Stop another session, or ask for a larger quota.", Some(Remedy::StopOther)),
        Reason::BudgetSpent => ("Ask an administrator for a larger budget.", Some(Remedy::AskAdmin)),
        Reason::PolicyRefused => {
            ("Change what the policy objects to, or ask an administrator.", Some(Remedy::AskAdmin))
        }
        Reason::ValidationFailed => {
            ("Correct what is named, or ask an administrator to, then try again.", Some(Remedy::Retry))
        }
        Reason::UserUnknown => ("Ask an administrator to create or enable the account.", Some(Remedy::AskAdmin)),
        Reason::ProgramMissing => {
            ("Have the named program installed on this machine, then try again.", Some(Remedy::Retry))
        }
        Reason::ExitedAtOnce => ("Read the last lines of its log, then try again.", Some(Remedy::OpenLogs)),
        Reason::PortNeverOpened => {
            ("Read its log: the program runs, but does not listen on its port.", Some(Remedy::OpenLogs))
        }
        Reason::OutOfMemory => ("Choose a larger size, then start it again.", Some(Remedy::ChangeSize)),
        Reason::DiskFull => {
            ("Delete files you no longer need, or ask for more space, then try again.", Some(Remedy::Retry))
        }
        Reason::HomeNotWritable => {
            ("Ask an administrator to correct the permissions of your home folder.", Some(Remedy::AskAdmin))
        }
        Reason::Evicted => ("Start it again; it will run on another node.", Some(Remedy::Retry)),
        Reason::NodeLost => ("Start it again; it will run on another node.", Some(Remedy::Retry)),
        Reason::HostRestarted => ("Start it again; your files are kept.", Some(Remedy::Retry)),
        Reason::Unknown => ("Read its log, then try again.", Some(Remedy::OpenLogs)),
    }
}

/// Whether another try right away cannot end differently.
#[must_use]
pub const fn is_final(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ProgramMissing
            | Reason::PolicyRefused
            | Reason::ValidationFailed
            | Reason::UserUnknown
            | Reason::HomeNotWritable
            | Reason::DiskFull
    )
}

/// How long to wait before the next try after `failures` in a row: 1 s, 5 s, 25 s, … at most 2 min.
#[must_use]
pub fn back_off(failures: usize) -> Duration {
    let exponent = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(4);
    Duration::from_secs(5_u64.pow(exponent)).min(Duration::from_mins(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_grow_and_are_bounded() {
        let waits: Vec<u64> = (1..6).map(|failures| back_off(failures).as_secs()).collect();
        assert_eq!(waits, [1, 5, 25, 120, 120]);
    }
}
