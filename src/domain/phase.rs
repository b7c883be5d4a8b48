//! Which phase may follow which.

use crate::crd::Phase::{self, Failed, Hibernated, Hibernating, Pending, Running, Starting, Terminated, Terminating};

/// Whether a session may go from `from` to `to`. Staying is no transition and always allowed.
///
/// Source: the table "Life of a session" of the specification.
#[must_use]
pub fn may_follow(from: Phase, to: Phase) -> bool {
    from == to
        || match to {
            Pending => matches!(from, Failed | Hibernated),
            Starting => matches!(from, Pending | Running),
            Running => from == Starting,
            Failed => matches!(from, Pending | Starting | Running),
            Hibernating => matches!(from, Pending | Starting | Running | Failed),
            Hibernated => from == Hibernating,
            Terminating => from != Terminated,
            Terminated => from == Terminating,
        }
}

/// Whether nothing of a session runs in that phase, and nothing is about to.
#[must_use]
pub const fn is_at_rest(phase: Phase) -> bool {
    matches!(phase, Hibernated | Failed | Terminated)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Phase; 8] = [Pending, Starting, Running, Hibernating, Hibernated, Terminating, Terminated, Failed];

    #[test]
    fn the_table_of_transitions_is_exactly_this() {
        let table: Vec<String> = ALL
            .iter()
            .map(|from| {
                let to: Vec<String> = ALL
                    .iter()
                    .filter(|to| *to != from && may_follow(*from, **to))
                    .map(|to| format!("{to:?}"))
                    .collect();
                format!("{from:?} -> {}", to.join(" "))
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"), @r"
        Pending -> Starting Hibernating Terminating Failed
        Starting -> Running Hibernating Terminating Failed
        Running -> Starting Hibernating Terminating Failed
        Hibernating -> Hibernated Terminating
        Hibernated -> Pending Terminating
        Terminating -> Terminated
        Terminated -> 
        Failed -> Pending Hibernating Terminating
        ");
    }
}
