//! Durations as people type them: `500ms`, `15s`, `2m`, `1h`, `7d`.
//!
//! The attribute `#[actor]` reads them as well, and compiles this file by itself: what emits code cannot depend on `common`.

use std::time::Duration;

/// Reads a whole number and its unit, `ms`, `s`, `m`, `h` or `d`. The error of what is neither is `form`: what a duration looks
/// like where it was typed.
pub(crate) fn parse(text: &str, form: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|char: char| char.is_ascii_digit());
    let number = &text[..text.len() - unit.len()];
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60 * 1_000,
        "h" => 60 * 60 * 1_000,
        "d" => 24 * 60 * 60 * 1_000,
        _ => return Err(form.to_owned()),
    };
    if number.is_empty() {
        return Err(form.to_owned());
    }
    let total = number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis));
    total.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is longer than a clock can count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "what it looks like";

    #[test]
    fn every_unit_counts() {
        for (text, millis) in
            [("0s", 0), ("500ms", 500), ("15s", 15_000), ("2m", 120_000), ("1h", 3_600_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse(text, FORM), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_duration_needs_a_number_and_a_unit() {
        for text in ["", "15", "s", "1.5s", "-1s", "15 s", "15sec", "1w", "5y"] {
            assert_eq!(parse(text, FORM), Err(FORM.to_owned()), "{text:?}");
        }
        for text in ["9999999999999999d", "99999999999999999999s"] {
            assert!(parse(text, FORM).unwrap_err().contains("longer than"), "{text:?}");
        }
    }
}
