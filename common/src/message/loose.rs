//! Reads a value with Python's bare words inside of it: each is the float that it names, wherever it stands.
//!
//! The way is a detour over a tree, which only such a value takes. An integer beyond 64 bits is a float on it.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::nonstandard::{Replaced, word_of};

/// What may be wrong on the way.
type Wrong = de::value::Error;

/// Reads a value whose bare words were replaced.
///
/// # Errors
///
/// What was found and what was expected.
pub(super) fn read<T: DeserializeOwned>(replaced: &Replaced) -> Result<T, String> {
    let tree: Tree = serde_json::from_str(&replaced.body).map_err(|error| error.to_string())?;
    T::deserialize(tree.restored(replaced)).map_err(|error| error.to_string())
}

/// A JSON value, which may hold any float.
#[derive(Debug)]
enum Tree {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(Key, Tree)>),
}

/// The name of an entry, which may stand for a number.
#[derive(Debug, serde::Deserialize)]
#[serde(transparent)]
struct Key(String);

impl Tree {
    /// The same with the words' floats in place of what stands for them.
    fn restored(self, replaced: &Replaced) -> Self {
        match self {
            Self::Text(text) => replaced.word(&text).map_or(Self::Text(text), |word| Self::Float(word_of(word))),
            Self::List(list) => Self::List(list.into_iter().map(|part| part.restored(replaced)).collect()),
            Self::Object(entries) => {
                Self::Object(entries.into_iter().map(|(key, part)| (key, part.restored(replaced))).collect())
            }
            other => other,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Signed(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Unsigned(value))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Float(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut list = Vec::new();
                while let Some(part) = seq.next_element()? {
                    list.push(part);
                }
                Ok(Tree::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Tree::Object(entries))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

impl IntoDeserializer<'_, Wrong> for Tree {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Tree {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Signed(value) => visitor.visit_i64(value),
            Self::Unsigned(value) => visitor.visit_u64(value),
            Self::Float(value) => visitor.visit_f64(value),
            Self::Text(value) => visitor.visit_string(value),
            Self::List(list) => SeqDeserializer::new(list.into_iter()).deserialize_any(visitor),
            Self::Object(entries) => MapDeserializer::new(entries.into_iter()).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Self::Null => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self {
            Self::Text(variant) => variant.into_deserializer().deserialize_enum(name, variants, visitor),
            Self::Object(entries) => {
                let entry = MapAccessDeserializer::new(MapDeserializer::new(entries.into_iter()));
                entry.deserialize_enum(name, variants, visitor)
            }
            other => other.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Wrong> for Key {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! number {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            match (self.0.parse(), self.0.parse()) {
                (Ok(number), _) => visitor.visit_u64(number),
                (_, Ok(number)) => visitor.visit_i64(number),
                _ => visitor.visit_string(self.0),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Key {
    type Error = Wrong;

    number! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_string(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.0.into_deserializer().deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "it is shown, field by field")]
    enum Shape {
        Point,
        Circle(f64),
        Line { from: Option<f32>, to: (f64, u8) },
    }

    fn read_as<T: DeserializeOwned>(text: &str) -> Result<T, String> {
        read(&Replaced::new(text).expect("a bare word"))
    }

    #[test]
    fn bare_words_are_floats_wherever_they_stand() {
        let list: Vec<Option<f64>> = read_as("[NaN, null, -Infinity, 1, 2.5]").unwrap();
        assert!(list[0].unwrap().is_nan());
        assert_eq!(list[1..], [None, Some(f64::NEG_INFINITY), Some(1.0), Some(2.5)]);
        let map: BTreeMap<u8, f32> = read_as(r#"{"1":Infinity,"2":-1}"#).unwrap();
        assert_eq!(map, BTreeMap::from([(1, f32::INFINITY), (2, -1.0)]));
        let shapes: Vec<Shape> =
            read_as(r#"["Point",{"Circle":Infinity},{"Line":{"from":NaN,"to":[-Infinity,3]}}]"#).unwrap();
        assert_eq!(format!("{shapes:?}"), "[Point, Circle(inf), Line { from: Some(NaN), to: (-inf, 3) }]");
        let any: serde_json::Value = read_as(r#"{"limit":Infinity,"n":[1,"NaN",true]}"#).unwrap();
        assert_eq!(any, serde_json::json!({ "limit": null, "n": [1, "NaN", true] }), "a `Value` knows no such number");
    }

    #[test]
    fn what_does_not_fit_is_said() {
        assert_eq!(read_as::<Vec<u32>>("[NaN]").unwrap_err(), "invalid type: floating point `NaN`, expected u32");
        assert!(read_as::<Vec<String>>("[Infinity]").is_err());
        assert!(read_as::<f64>(&format!("{}NaN{}", "[".repeat(100_000), "]".repeat(100_000))).is_err());
    }
}
