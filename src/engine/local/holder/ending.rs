//! Why a run ended, told from what was seen of it.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    crd::Reason,
    engine::{Ending, local::wire::Verdict},
};

/// A program that ends sooner never really ran.
const AT_ONCE: Duration = Duration::from_secs(10);

/// What was seen of a run.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Somebody asked for the end.
    pub(super) asked: Option<Asked>,
    /// The program could not be started.
    pub(super) not_started: Option<Verdict>,
    /// How long the program ran. `None`: it was never started.
    pub(super) ran: Option<Duration>,
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    /// Whether processes were killed for want of memory.
    pub(super) out_of_memory: bool,
    /// What was written last.
    pub(super) last_lines: String,
}

/// Who asked for an end.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// The person, or whoever acts for them.
    Person,
    /// The platform, for a reason.
    Platform(Verdict),
}

const KILLED: i32 = 9;

impl Seen {
    /// The verdict.
    pub(super) fn ending(self, memory_bytes: u64, at: Timestamp) -> Ending {
        let exit_code = self.code.or(self.signal.map(|signal| 128 + signal));
        let (reason, message) = self.reason(memory_bytes);
        Ending { reason, message, exit_code, at }
    }

    fn reason(self, memory_bytes: u64) -> (Option<Reason>, String) {
        let how = self.how();
        match (self.asked, self.not_started, self.ran) {
            (Some(Asked::Person), _, _) => (None, "Stopped because that was asked.".into()),
            (Some(Asked::Platform(verdict)), _, _) | (None, Some(verdict), _) => {
                (Some(verdict.reason), verdict.message)
            }
            (None, None, None) => {
                (Some(Reason::Unknown), format!("The sandbox could not be made. {}", quoted(&self.last_lines)))
            }
            (None, None, Some(_)) if self.out_of_memory && killed(self.code, self.signal) => {
                let limit = memory_bytes / (1024 * 1024);
                (
                    Some(Reason::OutOfMemory),
                    format!("The program needed more than the {limit} MiB of memory it may use."),
                )
            }
            (None, None, Some(ran)) if ran < AT_ONCE => {
                (Some(Reason::ExitedAtOnce), format!("The program {how} at once. {}", quoted(&self.last_lines)))
            }
            (None, None, Some(ran)) => (
                Some(Reason::Unknown),
                format!("The program {how} after {} s. {}", ran.as_secs(), quoted(&self.last_lines)),
            ),
        }
    }

    fn how(&self) -> String {
        match (self.code, self.signal) {
            (Some(code), _) => format!("ended with status {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "was ended from outside".into(),
        }
    }
}

fn killed(code: Option<i32>, signal: Option<i32>) -> bool {
    signal == Some(KILLED) || code == Some(128 + KILLED)
}

fn quoted(lines: &str) -> String {
    if lines.is_empty() { "It wrote nothing.".into() } else { format!("It wrote last:\n{lines}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn reason(seen: Seen) -> Option<Reason> {
        seen.ending(64 << 20, NOON).reason
    }

    fn ran(seconds: u64) -> Seen {
        Seen { ran: Some(Duration::from_secs(seconds)), ..Seen::default() }
    }

    #[test]
    fn each_end_has_the_reason_that_was_seen() {
        assert_eq!(reason(Seen { asked: Some(Asked::Person), signal: Some(9), out_of_memory: true, ..ran(50) }), None);
        assert_eq!(reason(Seen { code: Some(1), ..ran(1) }), Some(Reason::ExitedAtOnce));
        assert_eq!(reason(Seen { code: Some(1), ..ran(11) }), Some(Reason::Unknown));
        assert_eq!(reason(Seen { signal: Some(9), out_of_memory: true, ..ran(1) }), Some(Reason::OutOfMemory));
        assert_eq!(reason(Seen::default()), Some(Reason::Unknown));
        let full = Some(Asked::Platform(Verdict::new(Reason::DiskFull, "full")));
        assert_eq!(reason(Seen { asked: full, signal: Some(9), ..ran(99) }), Some(Reason::DiskFull));
    }

    #[test]
    fn a_child_killed_for_memory_does_not_blame_memory_for_a_later_end() {
        assert_eq!(reason(Seen { code: Some(0), out_of_memory: true, ..ran(3600) }), Some(Reason::Unknown));
    }

    #[test]
    fn the_last_words_are_part_of_the_message() {
        let seen = Seen { code: Some(2), last_lines: "no such option".into(), ..ran(0) };
        let ending = seen.ending(0, NOON);
        assert_eq!(ending.message, "The program ended with status 2 at once. It wrote last:\nno such option");
        assert_eq!(ending.exit_code, Some(2));
    }
}
