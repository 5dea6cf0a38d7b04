//! Times in options: `"500ms"`, `"15s"`, `"2m"`, `"1h"`, `"7d"`.

/// What a time looks like.
pub(crate) const FORM: &str = r#"a time is a number and a unit: `"500ms"`, `"15s"`, `"2m"`, `"1h"`, `"7d"`"#;

/// Reads a time, a whole number and `ms`, `s`, `m`, `h` or `d`, as milliseconds.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let unit = text.trim_start_matches(|char: char| char.is_ascii_digit());
    let number = &text[..text.len() - unit.len()];
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return Err(FORM.to_owned()),
    };
    if number.is_empty() {
        return Err(FORM.to_owned());
    }
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(millis))
        .ok_or_else(|| format!("`{text}` is longer than a clock can count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_counts() {
        for (text, millis) in
            [("0s", 0), ("500ms", 500), ("15s", 15_000), ("2m", 120_000), ("1h", 3_600_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn a_time_needs_a_number_and_a_unit() {
        for text in ["", "15", "s", "1.5s", "-1s", "15 s", "15sec", "1w"] {
            assert_eq!(parse(text), Err(FORM.to_owned()), "{text:?}");
        }
        assert!(parse("999999999999999999d").unwrap_err().contains("longer than"));
    }
}
