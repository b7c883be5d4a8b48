//! How long things took.

use std::time::Duration;

/// Durations, of which quantiles are asked in the end.
#[derive(Default)]
pub struct Spread(Vec<u32>);

impl Spread {
    /// Takes one in; microseconds are kept.
    pub fn add(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Takes in what another has seen.
    pub fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Fields of a JSON object: the median, the 99th percentile and the longest, in milliseconds.
    pub fn fields(mut self) -> String {
        self.0.sort_unstable();
        let at = |part: f64| {
            let index = ((self.0.len() as f64 * part).ceil() as usize).saturating_sub(1);
            f64::from(self.0.get(index).copied().unwrap_or_default()) / 1000.0
        };
        format!("\"p50_ms\":{},\"p99_ms\":{},\"max_ms\":{}", at(0.5), at(0.99), at(1.0))
    }
}
