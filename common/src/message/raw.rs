//! One JSON value, kept as the text that it came as.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

use super::nonstandard::{Replaced, not_a_number};

/// One JSON value as text; besides JSON it may be a bare `NaN`, `Infinity` or `-Infinity`, as Python writes them.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw(Cow<'static, str>);

/// A value that is not what its reader wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(String);

impl Raw {
    /// JSON's `null`.
    pub const NULL: Self = Self(Cow::Borrowed("null"));

    /// JSON's `true`.
    pub const TRUE: Self = Self(Cow::Borrowed("true"));

    /// Encodes a value as Python would: compact, pure ASCII, a float that is no number as `NaN` or `Infinity`.
    ///
    /// # Errors
    ///
    /// When the value has no JSON form, for example a map whose keys are lists. A float that is no number travels as a
    /// whole argument only; inside of a list, struct or option it is refused, with the place where it stands.
    pub fn encode<T: Serialize + 'static>(value: &T) -> Result<Self, ParseError> {
        let any: &dyn Any = value;
        let float = any.downcast_ref::<f64>().copied().or_else(|| any.downcast_ref::<f32>().map(|&float| float.into()));
        if let Some(text) = float.and_then(not_a_number) {
            return Ok(Self(Cow::Borrowed(text)));
        }
        let mut text = Vec::with_capacity(32);
        let mut nulls = false;
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, Ascii { nulls: &mut nulls });
        value.serialize(&mut serializer).map_err(|error| ParseError(error.to_string()))?;
        // Such a float is written as `null`: only where there is one has the value to be looked through.
        if nulls && let Some(found) = super::floats::find_in(value) {
            return Err(ParseError(found.to_string()));
        }
        String::from_utf8(text).map(|text| Self(Cow::Owned(text))).map_err(|error| ParseError(error.to_string()))
    }

    /// A JSON object of these entries, in their order.
    #[must_use]
    pub fn object<const N: usize>(entries: [(&str, Self); N]) -> Self {
        let mut json = String::from("{");
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            super::json::push_string(&mut json, key);
            json.push(':');
            json.push_str(value.as_str());
        }
        json.push('}');
        Self(Cow::Owned(json))
    }

    /// A JSON array of these, in their order.
    pub(crate) fn array(values: impl IntoIterator<Item = Self>) -> Self {
        let mut json = String::from("[");
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            json.push_str(value.as_str());
        }
        json.push(']');
        Self(Cow::Owned(json))
    }

    /// Reads the value as a `T`.
    ///
    /// # Errors
    ///
    /// [`ParseError`] when it is no `T`; the text names what was found and what was expected.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        serde_json::from_str(&self.0).or_else(|error| match Replaced::new(&self.0) {
            None => Err(ParseError(reason(&error))),
            Some(replaced) => super::loose::read(&replaced).map_err(ParseError),
        })
    }

    /// The text as it travels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0 == "null"
    }

    /// Takes over text that is one JSON value, as Python has JSON; `None` where it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_json = |text: &str| serde_json::from_str::<&RawValue>(text).is_ok();
        let is_sound = is_json(text) || Replaced::new(text).is_some_and(|replaced| is_json(&replaced.body));
        is_sound.then(|| Self(Cow::Owned(text.to_owned())))
    }

    /// Takes over text that is known to be one JSON value or one of Python's three bare words.
    pub(super) fn trusted(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }
}

impl From<&RawValue> for Raw {
    fn from(value: &RawValue) -> Self {
        Self(Cow::Owned(value.get().to_owned()))
    }
}

impl From<i64> for Raw {
    fn from(number: i64) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
}

impl From<u32> for Raw {
    fn from(number: u32) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
}

impl From<u64> for Raw {
    fn from(number: u64) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
}

impl From<bool> for Raw {
    fn from(truth: bool) -> Self {
        Self(Cow::Borrowed(if truth { "true" } else { "false" }))
    }
}

impl From<f64> for Raw {
    /// What is no number is one of Python's three bare words.
    fn from(number: f64) -> Self {
        let word = || not_a_number(number).unwrap_or_default().to_owned();
        Self(Cow::Owned(serde_json::Number::from_f64(number).map_or_else(word, |number| number.to_string())))
    }
}

impl From<String> for Raw {
    /// A JSON string.
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&str> for Raw {
    /// A JSON string.
    fn from(text: &str) -> Self {
        let mut json = String::with_capacity(text.len() + 2);
        super::json::push_string(&mut json, text);
        Self(Cow::Owned(json))
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Positions count from the start of one argument; nobody who sees a whole message can use them.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ").map_or(&*text, |end| &text[..end]) {
        // That it is JSON is known, so this is all that can be wrong with an escape.
        "unexpected end of hex escape" | "lone leading surrogate in hex escape" => HALF_A_PAIR.to_owned(),
        text => text.to_owned(),
    }
}

/// What is wrong with `"\ud800"`.
const HALF_A_PAIR: &str = "half of a surrogate pair in a string: Python can send that, no text of Rust's can hold it";

/// Writes pure ASCII, as Python does.
struct Ascii<'a> {
    /// Whether it has written a `null`.
    nulls: &'a mut bool,
}

impl Formatter for Ascii<'_> {
    fn write_null<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        *self.nulls = true;
        writer.write_all(b"null")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|byte| byte.is_ascii() && byte != super::json::DELETE) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut escaped = String::with_capacity(fragment.len() * 2);
        for char in fragment.chars() {
            super::json::push_char(&mut escaped, char);
        }
        writer.write_all(escaped.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn plain_values_become_json() {
        let all = [Raw::from(u64::MAX), Raw::from(true), Raw::from(0.5), Raw::from(2.0), Raw::from("é".to_owned())];
        assert_eq!(all.map(|raw| raw.to_string()), ["18446744073709551615", "true", "0.5", "2.0", r#""\u00e9""#]);
        assert_eq!([f64::NAN, f64::NEG_INFINITY].map(|float| Raw::from(float).to_string()), ["NaN", "-Infinity"]);
    }

    #[test]
    fn values_are_written_as_python_writes_them() {
        assert_eq!(Raw::encode(&vec![1, 2]).unwrap().as_str(), "[1,2]");
        assert_eq!(
            Raw::encode(&"bad é\u{1f600}\u{7f}\n\"".to_owned()).unwrap().as_str(),
            r#""bad \u00e9\ud83d\ude00\u007f\n\"""#
        );
        assert_eq!(Raw::encode(&BTreeMap::from([("k é", 1.0)])).unwrap().as_str(), r#"{"k \u00e9":1.0}"#);
        assert_eq!(Raw::encode(&f64::NAN).unwrap().as_str(), "NaN");
        assert_eq!(Raw::encode(&f32::NEG_INFINITY).unwrap().as_str(), "-Infinity");
        assert_eq!(Raw::encode(&()).unwrap(), Raw::NULL);
        assert_eq!(Raw::encode(&(None::<u8>, "null")).unwrap().as_str(), r#"[null,"null"]"#);
    }

    #[test]
    fn a_float_that_is_no_number_never_becomes_null() {
        let nan = "NaN is no number that JSON knows: it can travel as a whole argument only";
        assert_eq!(Raw::encode(&Some(f64::NAN)).unwrap_err().to_string(), nan);
        let lists = BTreeMap::from([("a", vec![Some(1.0)]), ("b", vec![None, Some(f64::INFINITY)])]);
        let error = Raw::encode(&lists).unwrap_err().to_string();
        assert!(error.starts_with("Infinity at [1][1] is no number"), "{error}");
    }

    #[test]
    fn a_value_that_is_something_else_says_what_was_found_and_expected() {
        let error = Raw::from("seventeen").read::<u32>().unwrap_err();
        assert_eq!(error.to_string(), r#"invalid type: string "seventeen", expected u32"#);
        assert_eq!(
            Raw::from(-1_i64).read::<u32>().unwrap_err().to_string(),
            "invalid value: integer `-1`, expected u32"
        );
    }

    #[test]
    fn half_a_surrogate_pair_is_called_by_its_name() {
        for half in [r#""\ud800""#, r#""a\udc00b""#, r#""\ud800\ud800""#, r#""\ud800\n""#] {
            assert_eq!(Raw::trusted(half).read::<String>().unwrap_err().to_string(), HALF_A_PAIR, "{half}");
        }
        assert_eq!(Raw::trusted(r#""\ud83d\ude00""#).read::<String>().unwrap(), "\u{1f600}");
    }

    #[test]
    fn bare_words_reach_floats_only() {
        assert!(Raw::trusted("NaN").read::<f64>().unwrap().is_nan());
        assert!(Raw::trusted("Infinity").read::<f32>().unwrap().is_infinite());
        assert!(Raw::trusted("NaN").read::<Option<f64>>().unwrap().unwrap().is_nan());
        assert!(Raw::trusted("NaN").read::<u32>().is_err());
        assert!(Raw::trusted("NaN").read::<String>().is_err());
    }
}
