//! How long to wait before the next attempt.

use std::time::Duration;

/// The longest back-off that a retry computes.
pub const MAX_BACKOFF: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The back-off window after `retries` retries: the wait is drawn evenly from it.
///
/// The window starts at `min · 2^retries` and doubles with each retry. Where the drawn value would lie above `max`, the
/// wait is drawn from half of `max` to `max` instead; both windows are returned then, joined.
///
/// # Source
///
/// dramatiq 2.2, `compute_backoff`: the same numbers in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
}

impl Backoff {
    /// A back-off that starts at `min` and is capped at `max`, itself capped at [`MAX_BACKOFF`].
    #[must_use]
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.min(MAX_BACKOFF) }
    }

    /// The wait after `retries` retries, in whole milliseconds; `chance` draws evenly from 0 to below 1.
    #[must_use]
    pub fn wait(self, retries: u32, mut chance: impl FnMut() -> f64) -> Duration {
        let step = self.step_millis(retries);
        let max = millis(self.max);
        let drawn = (step * (1.0 + chance())).floor();
        let drawn = if drawn > max { (max * (0.5 + chance() / 2.0)).floor() } else { drawn };
        Duration::from_secs_f64(drawn / 1_000.0)
    }

    /// The least and the most that [`Backoff::wait`] can give after `retries` retries.
    #[must_use]
    pub fn window(self, retries: u32) -> (Duration, Duration) {
        let step = self.step_millis(retries);
        let max = millis(self.max);
        let (low, high) = if step > max {
            (max / 2.0, max)
        } else if step * 2.0 > max {
            (step.min(max / 2.0), max)
        } else {
            (step, step * 2.0)
        };
        (Duration::from_secs_f64(low.floor() / 1_000.0), Duration::from_secs_f64(high.floor() / 1_000.0))
    }

    fn step_millis(self, retries: u32) -> f64 {
        millis(self.min) * 2f64.powi(i32::try_from(retries.min(32)).unwrap_or(32))
    }
}

#[expect(clippy::cast_precision_loss, reason = "seven days of milliseconds lie far below 2^52")]
fn millis(duration: Duration) -> f64 {
    duration.as_millis() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_wait_doubles_with_each_retry() {
        let backoff = Backoff::new(seconds(15), MAX_BACKOFF);
        for (retries, low, high) in [(0, 15, 30), (1, 30, 60), (2, 60, 120), (10, 15_360, 30_720)] {
            assert_eq!(backoff.wait(retries, || 0.0), seconds(low));
            assert!(backoff.wait(retries, || 0.999_999) < seconds(high));
            assert_eq!(backoff.window(retries), (seconds(low), seconds(high)));
        }
    }

    #[test]
    fn the_wait_is_capped_at_max_with_jitter_below_it() {
        let backoff = Backoff::new(seconds(15), MAX_BACKOFF);
        for retries in [16, 20, 33, u32::MAX] {
            assert_eq!(backoff.wait(retries, || 0.0), MAX_BACKOFF / 2);
            assert!(backoff.wait(retries, || 0.999_999) <= MAX_BACKOFF);
        }
    }

    #[test]
    fn zero_is_a_back_off() {
        assert_eq!(Backoff::new(Duration::ZERO, MAX_BACKOFF).wait(5, || 0.9), Duration::ZERO);
        assert_eq!(Backoff::new(seconds(10), Duration::ZERO).wait(0, || 0.9), Duration::ZERO);
    }

    #[test]
    fn every_wait_lies_inside_its_window() {
        for (min, max) in [(1_000, 604_800_000), (1_000, 1_500), (3_000, 1_000), (100, 3_200), (0, 0)] {
            let backoff = Backoff::new(Duration::from_millis(min), Duration::from_millis(max));
            for retries in 0..40 {
                let (low, high) = backoff.window(retries);
                for chance in 0..100 {
                    let wait = backoff.wait(retries, || f64::from(chance) / 100.0);
                    assert!(low <= wait && wait <= high, "{wait:?} outside {low:?} to {high:?} after {retries}");
                }
            }
        }
    }
}
