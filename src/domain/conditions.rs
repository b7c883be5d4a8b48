//! Standard conditions, kept by the Kubernetes conventions.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::time;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
}

impl Holds {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// Sets a condition: `lastTransitionTime` moves only when the status does.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    holds: Holds,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    let fresh = Condition {
        type_: type_.into(),
        status: holds.word().into(),
        reason: reason.into(),
        message: message.into(),
        observed_generation: generation,
        last_transition_time: time::second(now),
    };
    match conditions.iter_mut().find(|condition| condition.type_ == type_) {
        Some(old) if old.status == fresh.status => {
            *old = Condition { last_transition_time: old.last_transition_time.clone(), ..fresh };
        }
        Some(old) => *old = fresh,
        None => conditions.push(fresh),
    }
}

/// Whether the condition of that type is `True`.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == type_ && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_condition_moves_only_with_its_status() {
        let (noon, later): (Timestamp, Timestamp) =
            ("2030-01-01T12:00:00Z".parse().unwrap(), "2030-01-01T13:00:00Z".parse().unwrap());
        let mut all = vec![];
        set(&mut all, "Ready", Holds::False, "Starting", "starts", Some(1), noon);
        set(&mut all, "Ready", Holds::False, "Starting", "still starts", Some(1), later);
        assert_eq!((all[0].last_transition_time.0, all[0].message.as_str()), (noon, "still starts"));
        set(&mut all, "Ready", Holds::True, "Reachable", "answers", Some(2), later);
        assert_eq!((all.len(), all[0].last_transition_time.0), (1, later));
        assert!(is_true(&all, "Ready"));
    }
}
