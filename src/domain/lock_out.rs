//! How long a name is locked after attempts with a wrong password.

use jiff::SignedDuration;

/// From this attempt on the name is locked after each.
pub const FREE_ATTEMPTS: i32 = 5;
/// The first lock.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// No lock is longer: somebody who only knows the name could keep its owner out with them.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(15);
/// After this time without an attempt those before are forgotten.
pub const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// How long the name is locked after attempt `number` (from 1); `None`: not at all. Doubles with each attempt.
#[must_use]
pub fn pause_after(number: i32) -> Option<SignedDuration> {
    let beyond = u32::try_from(number.checked_sub(FREE_ATTEMPTS)?).ok()?;
    let factor = 2_i32.checked_pow(beyond).unwrap_or(i32::MAX);
    Some(FIRST_PAUSE.checked_mul(factor).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_begin_with_the_fifth_attempt_double_and_end_growing_at_a_quarter_of_an_hour() {
        let seconds = |number| pause_after(number).map(|pause| pause.as_secs());
        let first: Vec<_> = (1..=11).map(seconds).collect();
        let [no, grows] = [None::<i64>, Some(30)];
        assert_eq!(first[..5], [no, no, no, no, grows]);
        assert_eq!(first[5..], [Some(60), Some(120), Some(240), Some(480), Some(900), Some(900)]);
        assert_eq!((seconds(i32::MAX), seconds(0), seconds(i32::MIN)), (Some(900), None, None));
    }
}
