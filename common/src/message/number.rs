//! What Python makes of an option's value: a number of any size, or a truth.

use super::raw::Raw;

impl Raw {
    /// The value as a number, as Python compares it: of any size, `Infinity` too, and a `true` as 1; `None` where it is no
    /// number, as `NaN` says of itself.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self.as_str() {
            "true" => Some(1.0),
            "false" => Some(0.0),
            text if text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | 'I')) => {
                text.parse().ok()
            }
            _ => None,
        }
    }

    /// The value as whole milliseconds: an integer, or a float cut off; `None` for everything else. What lies beyond the
    /// end of time counts as the end of time.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a float beyond the end of time becomes the end of time")]
    pub fn millis(&self) -> Option<i64> {
        self.as_str().parse().ok().or_else(|| self.number().map(|millis| millis.floor() as i64))
    }

    /// Whether Python takes it for true: everything but `null`, `false`, zero, and what is empty.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self.as_str() {
            "null" | "false" | "\"\"" | "[]" | "{}" => false,
            _ => self.number() != Some(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &'static str) -> Option<f64> {
        Raw::trusted(text).number()
    }

    #[test]
    fn numbers_have_any_size() {
        assert_eq!(number("3"), Some(3.0));
        assert_eq!(number("3.0"), Some(3.0));
        assert_eq!(number("-1"), Some(-1.0));
        assert_eq!(number("1000000000000"), Some(1e12));
        assert_eq!(number(&*Box::leak("9".repeat(400).into_boxed_str())), Some(f64::INFINITY));
        assert_eq!(number("1e400"), Some(f64::INFINITY));
        assert_eq!(number("Infinity"), Some(f64::INFINITY));
        assert_eq!(number("-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(number("true"), Some(1.0));
        for none in ["NaN", "null", "\"3\"", "[3]", "{}"] {
            assert_eq!(number(none), None, "{none}");
        }
    }

    #[test]
    fn milliseconds_are_read_from_whatever_number_it_is() {
        let millis = |text| Raw::trusted(text).millis();
        assert_eq!(millis("1795485760331"), Some(1_795_485_760_331));
        assert_eq!(millis("1795485760331.5"), Some(1_795_485_760_331));
        assert_eq!(millis("Infinity"), Some(i64::MAX));
        assert_eq!(millis("1e400"), Some(i64::MAX));
        assert_eq!(millis("99999999999999999999999"), Some(i64::MAX));
        assert_eq!(millis("NaN"), None);
        assert_eq!(millis("\"soon\""), None);
    }

    #[test]
    fn truth_is_pythons() {
        for no in ["null", "false", "0", "0.0", "-0.0", "\"\"", "[]", "{}"] {
            assert!(!Raw::trusted(no).is_truthy(), "{no}");
        }
        for yes in ["true", "1", "NaN", "Infinity", "\"0\"", "[0]", "{\"a\":0}"] {
            assert!(Raw::trusted(yes).is_truthy(), "{yes}");
        }
    }
}
