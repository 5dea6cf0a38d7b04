//! From a message's arguments to an actor's parameters, and back.

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use super::parameter::Parameter;
use crate::message::{Entries, Message, Raw};

/// The arguments of one message, to be taken one by one in the order of the parameters.
///
/// Every error is a sentence for the dead letter.
#[derive(Debug)]
pub struct Arguments<'a> {
    message: &'a Message,
    parameters: &'static [Parameter],
    next: usize,
}

impl<'a> Arguments<'a> {
    /// Checks that the message's arguments have a parameter each.
    ///
    /// # Errors
    ///
    /// Too many, unknown, or given twice.
    pub fn new(message: &'a Message, parameters: &'static [Parameter]) -> Result<Self, String> {
        let given = message.args.len();
        if given > parameters.len() {
            return Err(format!("{given} arguments given, but it takes {}", signature(parameters)));
        }
        for (key, _) in message.kwargs.iter() {
            match parameters.iter().position(|parameter| parameter.name == key) {
                None => return Err(format!("unknown argument `{key}`; it takes {}", signature(parameters))),
                Some(at) if at < given => {
                    return Err(format!("argument `{key}` is given twice: as args[{at}] and by name"));
                }
                Some(_) => {}
            }
        }
        Ok(Self { message, parameters, next: 0 })
    }

    /// Reads the next parameter's argument; where there is none, whatever its type makes of a missing value (an `Option`
    /// is `None`).
    ///
    /// # Errors
    ///
    /// It is missing, or something else.
    #[expect(clippy::should_implement_trait, reason = "the type differs from call to call")]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        let name = self.parameters[self.next].name;
        let given = self.given()?;
        given
            .or_else(absent)
            .ok_or_else(|| format!("argument `{name}` is missing; it takes {}", signature(self.parameters)))
    }

    /// Reads the next parameter's argument; where there is none, it is what `default` makes.
    ///
    /// # Errors
    ///
    /// It is something else.
    pub fn next_or<T: DeserializeOwned>(&mut self, default: impl FnOnce() -> T) -> Result<T, String> {
        self.given().map(|given| given.unwrap_or_else(default))
    }

    /// The next parameter's argument, if the message has one.
    pub(super) fn given<T: DeserializeOwned>(&mut self) -> Result<Option<T>, String> {
        let index = self.next;
        self.next += 1;
        let name = self.parameters[index].name;
        if let Some(value) = self.message.args.get(index) {
            return value.read().map(Some).map_err(|error| format!("args[{index}] (`{name}`): {error}"));
        }
        let given = kwarg(&self.message.kwargs, name).map(Raw::read).transpose();
        given.map_err(|error| format!("kwargs[`{name}`]: {error}"))
    }
}

/// What a `T` makes of a missing value: `None` for an `Option`, under whatever name.
pub(super) fn absent<T: DeserializeOwned>() -> Option<T> {
    T::deserialize(Absent).ok()
}

fn kwarg<'a>(kwargs: &'a Entries, name: &str) -> Option<&'a Raw> {
    if kwargs.is_empty() { None } else { kwargs.get(name) }
}

fn signature(parameters: &[Parameter]) -> String {
    if parameters.is_empty() {
        return "none".to_owned();
    }
    let list: Vec<_> = parameters.iter().map(|parameter| format!("{parameter:?}")).collect();
    format!("({})", list.join(", "))
}

/// A value that is not there: only a type that can do without one accepts it.
struct Absent;

/// Absence is all that this deserializer can say.
type Missing = serde::de::value::Error;

impl<'de> Deserializer<'de> for Absent {
    type Error = Missing;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Missing> {
        Err(Missing::custom("missing"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Missing> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    static PARAMETERS: [Parameter; 2] =
        [Parameter::of::<u32>("n", "u32"), Parameter::of::<Option<String>>("who", "Who")];

    fn message(args: &str, kwargs: &str) -> Message {
        let body = format!(r#"{{"queue_name":"q","actor_name":"a","args":{args},"kwargs":{kwargs},"options":{{}}}}"#);
        Message::decode(body.as_bytes(), Timestamp::EPOCH).unwrap()
    }

    fn read(args: &str, kwargs: &str) -> Result<(u32, Option<String>), String> {
        let message = message(args, kwargs);
        let mut arguments = Arguments::new(&message, &PARAMETERS)?;
        Ok((arguments.next()?, arguments.next()?))
    }

    #[test]
    fn arguments_come_by_position_by_name_or_mixed() {
        assert_eq!(read("[1,\"x\"]", "{}"), Ok((1, Some("x".to_owned()))));
        assert_eq!(read("[1]", r#"{"who":"x"}"#), Ok((1, Some("x".to_owned()))));
        assert_eq!(read("[]", r#"{"who":null,"n":1}"#), Ok((1, None)));
    }

    #[test]
    fn an_absent_option_is_none() {
        assert_eq!(read("[1]", "{}"), Ok((1, None)));
    }

    #[test]
    fn a_default_stands_for_what_is_absent_and_for_nothing_else() {
        static PARAMETERS: [Parameter; 2] = [
            Parameter::of::<u32>("n", "u32"),
            Parameter::of::<Option<u32>>("times", "Option<u32>").with_default("Some(3)"),
        ];
        let read = |args: &str, kwargs: &str| {
            let message = message(args, kwargs);
            let mut arguments = Arguments::new(&message, &PARAMETERS)?;
            Ok::<_, String>((arguments.next::<u32>()?, arguments.next_or(|| Some(3_u32))?))
        };
        assert_eq!(read("[1]", "{}"), Ok((1, Some(3))));
        assert_eq!(read("[1,null]", "{}"), Ok((1, None)));
        assert_eq!(read("[]", r#"{"n":1,"times":7}"#), Ok((1, Some(7))));
        for (args, kwargs, reason) in [
            ("[]", "{}", "argument `n` is missing; it takes (n: u32, times: Option<u32> = Some(3))"),
            ("[1,-7]", "{}", "args[1] (`times`): invalid value: integer `-7`, expected u32"),
            ("[1]", r#"{"times":"x"}"#, "kwargs[`times`]: invalid type: string \"x\", expected u32"),
        ] {
            assert_eq!(read(args, kwargs), Err(reason.to_owned()));
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (args, kwargs, reason) in [
            ("[]", "{}", "argument `n` is missing; it takes (n: u32, who: Who)"),
            ("[1,\"x\",3]", "{}", "3 arguments given, but it takes (n: u32, who: Who)"),
            ("[1]", r#"{"n":1}"#, "argument `n` is given twice: as args[0] and by name"),
            ("[1]", r#"{"m":1}"#, "unknown argument `m`; it takes (n: u32, who: Who)"),
            ("[-1]", "{}", "args[0] (`n`): invalid value: integer `-1`, expected u32"),
            ("[]", r#"{"n":"seven"}"#, "kwargs[`n`]: invalid type: string \"seven\", expected u32"),
        ] {
            assert_eq!(read(args, kwargs), Err(reason.to_owned()));
        }
    }
}
