//! Texts and times, short enough for a sentence.

use std::fmt;
use std::time::Duration;

use crate::message::{Message, option};

/// How many characters of an error a sentence has room for.
const ERROR_LIMIT: usize = 100;

/// How many characters of an id a person needs to follow it.
const SHORT_ID: usize = 8;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The first characters of an id.
pub(crate) fn short(id: &str) -> &str {
    id.char_indices().nth(SHORT_ID).map_or(id, |(end, _)| &id[..end])
}

/// What an attempt left behind as its error.
pub(super) fn last_error(message: &Message) -> Option<String> {
    message.options.read::<String>(option::TRACEBACK)
}

/// The line of an error that says what is wrong: the last one of Python's tracebacks, else the first one.
#[must_use]
pub fn error_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = if text.trim_start().starts_with("Traceback ") { lines.next_back() } else { lines.next() };
    let line = line.unwrap_or_default();
    match line.char_indices().nth(ERROR_LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Shows how long something takes, in the two largest units that it has: `300 ms`, `4.2 s`, `3 min 20 s`, `6 d 23 h`.
#[must_use]
pub fn spell(time: Duration) -> impl fmt::Display {
    Spelt(time)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units_at_most() {
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
    fn an_error_is_the_line_that_says_what_is_wrong() {
        assert_eq!(error_line("17 is not allowed\nbecause of 3"), "17 is not allowed");
        assert_eq!(error_line("Traceback (most recent call last):\n  File \"a\"\nValueError: 17\n"), "ValueError: 17");
        assert_eq!(error_line(""), "");
        assert_eq!(error_line(&"x".repeat(101)), format!("{}…", "x".repeat(100)));
    }
}
