//! Texts, short enough for a sentence.

use crate::message::{Message, option};

/// How many characters of an error a sentence has room for.
const ERROR_LIMIT: usize = 100;

/// How many characters of an id a person needs to follow it.
const SHORT_ID: usize = 8;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_the_line_that_says_what_is_wrong() {
        assert_eq!(error_line("17 is not allowed\nbecause of 3"), "17 is not allowed");
        assert_eq!(error_line("Traceback (most recent call last):\n  File \"a\"\nValueError: 17\n"), "ValueError: 17");
        assert_eq!(error_line(""), "");
        assert_eq!(error_line(&"x".repeat(101)), format!("{}…", "x".repeat(100)));
    }
}
