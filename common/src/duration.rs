//! Durations: how people type and read them, and how they travel.

#[cfg(feature = "cli")]
mod parse;

use std::fmt;
use std::time::Duration;

#[cfg(feature = "cli")]
pub(crate) use self::parse::parse;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Whole milliseconds, as in options on the wire and in JSON. Parts of one are cut off, as dramatiq does; what is too long
/// counts as the end of time.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// How long something takes, in the two largest units that it has: `300 ms`, `4.2 s`, `3 min 20 s`, `6 d 23 h`.
///
/// For sentences about what waits or has passed, where a person wants no more: explanations, `show`, unknown actors.
pub(crate) fn spell(duration: Duration) -> impl fmt::Display {
    Spelt(duration)
}

struct Spelt(Duration);

impl fmt::Display for Spelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let two = |f: &mut fmt::Formatter<'_>, large: u64, name: &str, small: u64, small_name: &str| {
            let (first, rest) = (seconds / large, seconds % large / small);
            if rest == 0 { write!(f, "{first} {name}") } else { write!(f, "{first} {name} {rest} {small_name}") }
        };
        match seconds {
            0 => write!(f, "{} ms", self.0.as_millis()),
            1..10 if self.0.subsec_millis() >= 100 => write!(f, "{seconds}.{} s", self.0.subsec_millis() / 100),
            1..MINUTE => write!(f, "{seconds} s"),
            MINUTE..HOUR => two(f, MINUTE, "min", 1, "s"),
            HOUR..DAY => two(f, HOUR, "h", MINUTE, "min"),
            _ => two(f, DAY, "d", HOUR, "h"),
        }
    }
}

/// How long something takes, as one number: `500 ms`, `1.37 s`, `2.5 min`, `7 d`.
///
/// For the wait before a retry, which stands beside its [`window`]: a reader sees that it lies inside.
pub(crate) fn decimal(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let trimmed = |number: f64, unit: &str| {
        let text = format!("{number:.2}");
        format!("{} {unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match seconds {
        _ if seconds < 1.0 => format!("{} ms", duration.as_millis()),
        _ if seconds < 120.0 => trimmed(seconds, "s"),
        _ if seconds < 7_200.0 => trimmed(seconds / 60.0, "min"),
        _ if seconds < 172_800.0 => trimmed(seconds / 3_600.0, "h"),
        _ => trimmed(seconds / 86_400.0, "d"),
    }
}

/// From where to where a wait may be drawn: `1 to 2 s`, `500 ms to 1 s`. For the log line of a retry.
pub(crate) fn window(low: Duration, high: Duration) -> String {
    let (low, high) = (decimal(low), decimal(high));
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} to {high}"),
        _ => format!("{low} to {high}"),
    }
}

/// How long a run took, in the unit that fits: `53 µs`, `6.1 ms`, `2.5 s`. For lines that end runs.
pub(crate) struct Took(pub(crate) Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds < 0.001 {
            write!(f, "{} µs", self.0.as_micros())
        } else if seconds < 1.0 {
            write!(f, "{:.1} ms", seconds * 1_000.0)
        } else {
            write!(f, "{seconds:.1} s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_have_two_units_at_most() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1 s"),
            (4_250, "4.2 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (200_000, "3 min 20 s"),
            (3_600_000, "1 h"),
            (7_500_000, "2 h 5 min"),
            (604_799_000, "6 d 23 h"),
            (31_536_000_000, "365 d"),
        ] {
            assert_eq!(spell(Duration::from_millis(millis)).to_string(), text);
        }
    }

    #[test]
    fn waits_are_one_number_in_the_unit_that_fits() {
        for (millis, text) in [
            (0, "0 ms"),
            (1_370, "1.37 s"),
            (60_000, "60 s"),
            (150_000, "2.5 min"),
            (7_200_000, "2 h"),
            (604_800_000, "7 d"),
        ] {
            assert_eq!(decimal(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_window_names_its_unit_once() {
        let window = |low, high| window(Duration::from_millis(low), Duration::from_millis(high));
        assert_eq!(window(1_000, 2_000), "1 to 2 s");
        assert_eq!(window(500, 1_000), "500 ms to 1 s");
        assert_eq!(window(60_000, 120_000), "60 s to 2 min");
    }

    #[test]
    fn milliseconds_end_with_time() {
        assert_eq!(millis(Duration::from_micros(1_999)), 1);
        assert_eq!(millis(Duration::MAX), i64::MAX);
    }
}
