//! Durations as Kubernetes writes them: `90s`, `30m`, `1h30m`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

/// Longest idle time-out that may be asked for: a week.
pub const LONGEST_IDLE: Duration = Duration::from_hours(168);

/// Why a text is no duration that can be used, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DurationError(String);

/// Parses a duration without sign, in hours, minutes and seconds.
///
/// # Errors
/// A sentence with examples where `text` is anything else.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError(format!("“{text}” is no duration: write 90s, 30m or 1h30m"));
    let mut rest = text;
    let mut seconds = 0_u64;
    // Not kube's own parser: it panics on amounts past what a float can turn into a Duration.
    for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
        let Some((number, after)) = rest.split_once(unit) else { continue };
        let digits = !number.is_empty() && number.len() <= 9 && number.bytes().all(|b| b.is_ascii_digit());
        let amount: u64 = if digits { number.parse().map_err(|_| wrong())? } else { return Err(wrong()) };
        seconds += amount * factor;
        rest = after;
    }
    if text.is_empty() || !rest.is_empty() { Err(wrong()) } else { Ok(Duration::from_secs(seconds)) }
}

/// Parses a limit where `0s` means that there is none.
///
/// # Errors
/// As [`parse`].
pub fn limit(text: &str) -> Result<Option<Duration>, DurationError> {
    parse(text).map(|duration| (!duration.is_zero()).then_some(duration))
}

/// Parses the time without activity after which a session hibernates.
///
/// `text`: between `1m` and `168h`; `0s` switches hibernation off and gives `None`.
///
/// # Errors
/// A sentence outside that range. Source: Session CRD `spec.idleTimeout`.
pub fn idle_timeout(text: &str) -> Result<Option<Duration>, DurationError> {
    bounded(text, LONGEST_IDLE)
}

/// Parses the longest time a session may run: between `1m` and a year; `0s` means no end and gives `None`.
///
/// # Errors
/// A sentence outside that range. Source: Session CRD `spec.maxSessionDuration`.
pub fn max_duration(text: &str) -> Result<Option<Duration>, DurationError> {
    bounded(text, Duration::from_hours(24 * 366))
}

fn bounded(text: &str, longest: Duration) -> Result<Option<Duration>, DurationError> {
    let Some(duration) = limit(text)? else { return Ok(None) };
    if duration < Duration::from_mins(1) || duration > longest {
        return Err(DurationError(format!("“{text}” must lie between 1m and {}, or be 0s for never", short(longest))));
    }
    Ok(Some(duration))
}

/// Writes a duration the way it is read: `1h30m`, `45s`, `0s`.
#[must_use]
pub fn short(duration: Duration) -> String {
    let all = duration.as_secs();
    let parts = [(all / 3600, 'h'), (all / 60 % 60, 'm'), (all % 60, 's')];
    let text: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".into() } else { text.concat() }
}

/// A duration that is read and written as such a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "1h30m")]
pub struct Span(pub Duration);

impl Span {
    /// So long before `now`; `None` where that is before all times.
    #[must_use]
    pub fn before(self, now: Timestamp) -> Option<Timestamp> {
        now.checked_sub(SignedDuration::try_from(self.0).ok()?).ok()
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&short(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map(Self).map_err(de::Error::custom)
    }
}

/// Writes a duration for people: `1 hour 30 minutes`, `45 seconds`.
#[must_use]
pub fn spoken(duration: Duration) -> String {
    let all = duration.as_secs();
    let parts = [(all / 86_400, "day"), (all / 3600 % 24, "hour"), (all / 60 % 60, "minute"), (all % 60, "second")];
    let words: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .take(2)
        .map(|(n, unit)| format!("{n} {unit}{}", if *n == 1 { "" } else { "s" }))
        .collect();
    if words.is_empty() { "0 seconds".into() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_minutes_and_seconds_add_up() {
        assert_eq!(parse("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(short(Duration::from_secs(5401)), "1h30m1s");
        assert_eq!(spoken(Duration::from_mins(90)), "1 hour 30 minutes");
    }

    #[test]
    fn nonsense_is_refused_with_examples() {
        for text in ["", "30", "-5m", "5 m", "1d", "m30", "1.5h", "99999999999999999999h", "1s1h"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("write 90s"), "{text}: {error}");
        }
    }

    #[test]
    fn an_idle_time_out_lies_between_a_minute_and_a_week_or_is_switched_off() {
        assert_eq!(idle_timeout("0s"), Ok(None));
        assert_eq!(idle_timeout("30m"), Ok(Some(Duration::from_mins(30))));
        assert_eq!(idle_timeout("168h"), Ok(Some(LONGEST_IDLE)));
        assert!(idle_timeout("59s").is_err());
        assert!(idle_timeout("169h").is_err());
    }
}
