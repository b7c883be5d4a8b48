//! Moments as Kubernetes writes them.
//!
//! `Time` holds whole seconds on the wire. A moment is cut to them before it enters an object, so that what is compared
//! with what was stored is what was stored.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

/// The moment cut to the second.
#[must_use]
pub fn second(moment: Timestamp) -> Time {
    Time(cut(moment, Unit::Second))
}

/// The moment cut to the microsecond.
#[must_use]
pub fn micro(moment: Timestamp) -> MicroTime {
    MicroTime(cut(moment, Unit::Microsecond))
}

fn cut(moment: Timestamp, unit: Unit) -> Timestamp {
    moment.round(TimestampRound::new().smallest(unit).mode(RoundMode::Floor)).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes_back_from_its_text_as_it_went_in() {
        let moment: Timestamp = "2030-01-01T12:00:00.123456789Z".parse().unwrap();
        let (second, micro) = (second(moment), micro(moment));
        assert_eq!(serde_json::from_value::<Time>(serde_json::to_value(&second).unwrap()).unwrap(), second);
        assert_eq!(serde_json::from_value::<MicroTime>(serde_json::to_value(&micro).unwrap()).unwrap(), micro);
        assert_eq!(micro.0.to_string(), "2030-01-01T12:00:00.123456Z");
    }
}
