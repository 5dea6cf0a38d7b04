//! What the type of a parameter that travels has to be able to do: be encoded, be read, be typed by a person.

use std::any::type_name;
use std::fmt;

use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer as _, Visitor};
use serde::forward_to_deserialize_any;

use super::arguments::{Arguments, absent};
use super::parameter::Parameter;
use crate::message::{ParseError, Raw};

/// Says at compile time what a parameter by value has to be able to do, with an error that a newcomer understands.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel in a message",
    label = "taken by value, so it has to be sent: it needs `Serialize` and `Deserialize`",
    note = "a type of your own gets both by `#[derive(serde::Serialize, serde::Deserialize)]`",
    note = "what is the worker's (its state, the context) is taken by reference: `&{Self}`"
)]
pub trait Payload: serde::Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: serde::Serialize + DeserializeOwned + Send + 'static> Payload for T {}

/// What a default can be that is written as a text.
#[diagnostic::on_unimplemented(
    message = "a text cannot become a `{Self}`",
    label = "the parameter is a `{Self}`",
    note = "a type of your own takes a text where it implements `From<&str>`"
)]
pub trait FromText: From<&'static str> {}

#[diagnostic::do_not_recommend]
impl<T: From<&'static str>> FromText for T {}

/// What `#[default = "…"]` stands for.
#[must_use]
pub fn from_text<T: FromText>(text: &'static str) -> T {
    T::from(text)
}

impl Parameter {
    /// A parameter of type `T`.
    #[must_use]
    pub const fn of<T: Payload>(name: &'static str, type_name: &'static str) -> Self {
        payload::<T>().parameter(name, type_name)
    }
}

/// A parameter's type, with all that its message needs of it.
///
/// `#[actor]` names the type's bound here and nowhere else, so that a type that cannot travel is told once.
pub struct PayloadKind<T> {
    encode: fn(&T) -> Result<Raw, ParseError>,
    next: fn(&mut Arguments<'_>) -> Result<T, String>,
    given: fn(&mut Arguments<'_>) -> Result<Option<T>, String>,
    parse: fn(&str) -> Result<Raw, String>,
    may_be_absent: fn() -> bool,
}

/// The type `T`.
#[must_use]
pub const fn payload<T: Payload>() -> PayloadKind<T> {
    PayloadKind {
        encode: Raw::encode::<T>,
        next: |arguments| arguments.next(),
        given: |arguments| arguments.given(),
        parse: parse::<T>,
        may_be_absent: may_be_absent::<T>,
    }
}

impl<T> PayloadKind<T> {
    /// The parameter of this type and this name.
    #[must_use]
    pub const fn parameter(&self, name: &'static str, type_name: &'static str) -> Parameter {
        Parameter {
            name,
            type_name,
            default: None,
            is_kwarg: false,
            parse: self.parse,
            may_be_absent: self.may_be_absent,
        }
    }

    /// Encodes one argument for the wire.
    ///
    /// # Errors
    ///
    /// When the value has no JSON form.
    pub fn encode(&self, value: &T) -> Result<Raw, ParseError> {
        (self.encode)(value)
    }

    /// Reads the next argument of a message.
    ///
    /// # Errors
    ///
    /// As [`Arguments::next`].
    pub fn next(&self, arguments: &mut Arguments<'_>) -> Result<T, String> {
        (self.next)(arguments)
    }

    /// The same, with a default for what is missing.
    ///
    /// # Errors
    ///
    /// As [`Arguments::next_or`].
    pub fn next_or(&self, arguments: &mut Arguments<'_>, default: impl FnOnce() -> T) -> Result<T, String> {
        (self.given)(arguments).map(|given| given.unwrap_or_else(default))
    }
}

impl<T> fmt::Debug for PayloadKind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(type_name::<T>())
    }
}

fn may_be_absent<T: Payload>() -> bool {
    absent::<T>().is_some()
}

fn parse<T: Payload>(text: &str) -> Result<Raw, String> {
    let as_string = match T::deserialize(Typed(text)) {
        Ok(value) => return Raw::encode(&value).map_err(|error| error.to_string()),
        Err(error) => error.to_string(),
    };
    match serde_json::from_str::<T>(text) {
        Ok(value) => Raw::encode(&value).map_err(|error| error.to_string()),
        // Text that is JSON is judged as JSON, everything else as the string that it is.
        Err(error) if error.is_data() => Err(error.to_string()),
        Err(_) => Err(as_string),
    }
}

/// A string as a person typed it: text, a variant's name, or either inside of an `Option`.
struct Typed<'a>(&'a str);

impl<'a> Typed<'a> {
    fn text(self) -> StrDeserializer<'a, ValueError> {
        self.0.into_deserializer()
    }
}

impl<'de> Deserializer<'de> for Typed<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.text().deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
    }

    #[derive(Serialize, Deserialize)]
    struct Point {
        x: i32,
    }

    fn typed<T: Payload>(text: &str) -> Result<String, String> {
        Parameter::of::<T>("n", "T").parse(text).map(|raw| raw.to_string())
    }

    #[test]
    fn whatever_can_travel_can_be_typed() {
        assert_eq!(typed::<u32>("17"), Ok("17".to_owned()));
        assert_eq!(typed::<String>("17"), Ok("\"17\"".to_owned()));
        assert_eq!(typed::<Option<String>>("hi"), Ok("\"hi\"".to_owned()));
        assert_eq!(typed::<Option<u32>>("null"), Ok("null".to_owned()));
        assert_eq!(typed::<Colour>("red"), Ok("\"red\"".to_owned()));
        assert_eq!(typed::<Vec<u32>>("[1, 2]"), Ok("[1,2]".to_owned()));
        assert_eq!(typed::<Point>(r#"{"x": 1}"#), Ok(r#"{"x":1}"#.to_owned()));
    }

    #[test]
    fn what_does_not_fit_says_what_was_expected() {
        assert_eq!(typed::<u32>("seventeen"), Err(r#"invalid type: string "seventeen", expected u32"#.to_owned()));
        assert!(typed::<u32>("-1").unwrap_err().starts_with("invalid value: integer `-1`, expected u32"));
        assert!(typed::<Colour>("blue").unwrap_err().contains("unknown variant `blue`, expected `red`"));
    }
}
