//! Finds a float that is no number inside of a value: JSON has none, and its writer makes a silent `null` of it.

use std::fmt;

use serde::Serialize;
use serde::ser::{self, Serializer};

use super::nonstandard::not_a_number;

/// Where the first float that is no number stands in a value; `None` where there is none.
pub(super) fn find_in<T: Serialize + ?Sized>(value: &T) -> Option<Found> {
    value.serialize(Finder).err().filter(|found| !found.word.is_empty())
}

/// A float that is no number, and the way to it; or, without a word, whatever else a value refuses to be serialized for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    word: &'static str,
    path: String,
}

impl Found {
    fn inside(self, part: impl fmt::Display) -> Self {
        Self { path: format!("{part}{}", self.path), ..self }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { word, path } = self;
        write!(f, "{word}")?;
        if !path.is_empty() {
            write!(f, " at {path}")?;
        }
        f.write_str(" is no number that JSON knows: it can travel as a whole argument only")
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self { word: "", path: String::new() }
    }
}

/// Walks through a value and writes nothing.
struct Finder;

/// Walks through the parts of a list, map or struct, by number.
#[derive(Default)]
struct Parts(usize);

impl Parts {
    fn next<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Found> {
        let at = self.0;
        self.0 += 1;
        part.serialize(Finder).map_err(|found| found.inside(format_args!("[{at}]")))
    }
}

macro_rules! harmless {
    ($($method:ident($($type:ty),*);)*) => {
        $(fn $method(self $(, _: $type)*) -> Result<(), Found> { Ok(()) })*
    };
}

impl Serializer for Finder {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    harmless! {
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_i128(i128); serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64);
        serialize_u128(u128); serialize_char(char); serialize_str(&str); serialize_bytes(&[u8]); serialize_none();
        serialize_unit(); serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_f32(self, float: f32) -> Result<(), Found> {
        self.serialize_f64(float.into())
    }

    fn serialize_f64(self, float: f64) -> Result<(), Found> {
        not_a_number(float).map_or(Ok(()), |word| Err(Found { word, path: String::new() }))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self).map_err(|found| found.inside(format_args!(".{variant}")))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Parts, Found> {
        Ok(Parts::default())
    }
}

macro_rules! in_order {
    ($($shape:ident: $method:ident;)*) => {
        $(impl ser::$shape for Parts {
            type Ok = ();
            type Error = Found;

            fn $method<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Found> {
                self.next(part)
            }

            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        })*
    };
}

in_order! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

macro_rules! by_name {
    ($($shape:ident)*) => {
        $(impl ser::$shape for Parts {
            type Ok = ();
            type Error = Found;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, part: &T) -> Result<(), Found> {
                part.serialize(Finder).map_err(|found| found.inside(format_args!(".{name}")))
            }

            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        })*
    };
}

by_name! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Parts {
    type Ok = ();
    type Error = Found;

    // A key is text in JSON, and one that is no number is refused by its writer.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Found> {
        self.next(part)
    }

    fn end(self) -> Result<(), Found> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    struct Point {
        x: f32,
        y: Option<f64>,
    }

    #[derive(Serialize)]
    enum Shape {
        Circle(f64),
        Line { to: Point },
        Pair(u8, f64),
        Nothing,
    }

    fn found<T: Serialize>(value: T) -> Option<(&'static str, String)> {
        find_in(&value).map(|found| (found.word, found.path))
    }

    #[test]
    fn a_float_that_is_no_number_is_found_wherever_it_stands() {
        const NAN: f64 = f64::NAN;
        let at = |word, path: &str| Some((word, path.to_owned()));
        assert_eq!(found(Some(NAN)), at("NaN", ""));
        assert_eq!(found(vec![1.0, f64::INFINITY]), at("Infinity", "[1]"));
        assert_eq!(found([(1, f32::NEG_INFINITY)]), at("-Infinity", "[0][1]"));
        assert_eq!(found(BTreeMap::from([("a", NAN)])), at("NaN", "[0]"));
        assert_eq!(found(vec![Point { x: f32::NAN, y: None }]), at("NaN", "[0].x"));
        assert_eq!(found(Shape::Line { to: Point { x: 0.0, y: Some(NAN) } }), at("NaN", ".to.y"));
        assert_eq!(found(Shape::Circle(NAN)), at("NaN", ".Circle"));
        assert_eq!(found(Shape::Pair(0, NAN)), at("NaN", "[1]"));
        assert_eq!(found((Shape::Nothing, Shape::Circle(1.0), None::<f64>, "NaN", ())), None);
    }

    #[test]
    fn what_is_wrong_is_said_in_a_sentence() {
        let sentence = find_in(&vec![f64::NAN]).unwrap().to_string();
        assert_eq!(sentence, "NaN at [0] is no number that JSON knows: it can travel as a whole argument only");
    }
}
