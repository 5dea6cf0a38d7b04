//! The bytes of a message.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::entries::Entries;
use super::json::push_string;
use super::nonstandard::Replaced;
use super::raw::Raw;
use super::{Message, MessageId, option};
use crate::clock::Timestamp;
use crate::error::DecodeError;
use crate::queue_name::QueueName;

/// The seven fields, as far as their shape goes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    queue_name: Box<str>,
    actor_name: Box<str>,
    #[serde(borrow)]
    args: Vec<&'a RawValue>,
    kwargs: Entries,
    #[serde(default)]
    options: Entries,
    message_id: Option<Box<str>>,
    message_timestamp: Option<&'a RawValue>,
}

impl Message {
    /// Reads a message; a missing id is made up, and a missing timestamp is `now`, as Python does.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] with the reason, when the bytes are no message that dramatiq would read either, or not one by the
    /// rules that are stricter here.
    ///
    /// # Source
    ///
    /// dramatiq 2.2, `Message.decode`. Differs: `options` may be missing. Types are looked at here and not there: names and
    /// ids are whole strings (no half surrogate pairs), `args` is a list, `kwargs` and `options` are objects, the timestamp
    /// is a number, and no field comes twice.
    pub fn decode(body: &[u8], now: Timestamp) -> Result<Self, DecodeError> {
        let body = std::str::from_utf8(body).map_err(|error| DecodeError::NotText(error.valid_up_to()))?;
        match serde_json::from_str::<Fields<'_>>(body) {
            Ok(fields) => fields.into_message(now),
            Err(error) => match Replaced::new(body) {
                None => Err(DecodeError::NotAMessage(error.to_string())),
                Some(replaced) => decode_replaced(&replaced, now),
            },
        }
    }

    /// Reads a list of messages, as an option has them.
    pub(crate) fn decode_all(list: &Raw, now: Timestamp) -> Result<Vec<Self>, DecodeError> {
        let read = |list: &str, whole: &dyn Fn(&str) -> Option<String>| {
            let each: Vec<&RawValue> =
                serde_json::from_str(list).map_err(|error| DecodeError::NotAMessage(error.to_string()))?;
            let decode = |body: &str| Self::decode(whole(body).as_deref().unwrap_or(body).as_bytes(), now);
            each.into_iter().map(|body| decode(body.get())).collect()
        };
        match Replaced::new(list.as_str()) {
            None => read(list.as_str(), &|_| None),
            Some(replaced) => read(&replaced.body, &|body| replaced.restored(body)),
        }
    }

    /// Writes the message as dramatiq does: compact, seven fields in order, pure ASCII where we chose the text.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut json = String::with_capacity(256);
        json.push_str(r#"{"queue_name":"#);
        push_string(&mut json, self.queue_name.as_str());
        json.push_str(r#","actor_name":"#);
        push_string(&mut json, &self.actor_name);
        json.push_str(r#","args":["#);
        for (index, value) in self.args.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            json.push_str(value.as_str());
        }
        json.push_str(r#"],"kwargs":"#);
        push_entries(&mut json, &self.kwargs);
        json.push_str(r#","options":"#);
        push_entries(&mut json, &self.options);
        json.push_str(r#","message_id":"#);
        push_string(&mut json, self.message_id.as_str());
        // Writing into a string cannot fail.
        let _ = write!(json, r#","message_timestamp":{}}}"#, self.message_timestamp);
        json.into_bytes()
    }

    /// The message as a value, for an actor that takes a whole message (as dramatiq's callbacks do).
    #[must_use]
    pub fn to_raw(&self) -> Raw {
        Raw::trusted(String::from_utf8(self.encode()).unwrap_or_default())
    }
}

/// What the store on Redis calls the eta of a message that has come due, for as long as it lies there: dramatiq's workers would
/// delay it once more.
const PAST_ETA: &str = "@eta";

impl Fields<'_> {
    fn into_message(self, now: Timestamp) -> Result<Message, DecodeError> {
        let message_timestamp = match self.message_timestamp.map(Raw::from) {
            None => now,
            Some(raw) => match raw.millis() {
                Some(millis) => Timestamp::from_millis(millis),
                None => {
                    return Err(DecodeError::NotAMessage(format!("message_timestamp is no number: {raw}")));
                }
            },
        };
        let mut options = self.options;
        options.rename(PAST_ETA, option::ETA);
        Ok(Message {
            queue_name: QueueName::canonical(&self.queue_name),
            actor_name: self.actor_name.into(),
            args: self.args.into_iter().map(Raw::from).collect(),
            kwargs: self.kwargs,
            options,
            message_id: self.message_id.map_or_else(MessageId::random, |id| MessageId::from(&*id)),
            message_timestamp,
        })
    }
}

fn decode_replaced(replaced: &Replaced, now: Timestamp) -> Result<Message, DecodeError> {
    let fields: Fields<'_> =
        serde_json::from_str(&replaced.body).map_err(|error| DecodeError::NotAMessage(error.to_string()))?;
    let mut message = fields.into_message(now)?;
    let entries = message.kwargs.values_mut().chain(message.options.values_mut());
    for value in message.args.iter_mut().chain(entries) {
        if let Some(text) = replaced.restored(value.as_str()) {
            *value = Raw::trusted(text);
        }
    }
    Ok(message)
}

fn push_entries(json: &mut String, entries: &Entries) {
    json.push('{');
    let mut separator = "";
    for (key, value) in entries.iter() {
        json.push_str(separator);
        push_string(json, key);
        json.push(':');
        json.push_str(value.as_str());
        separator = ",";
    }
    json.push('}');
}

#[cfg(test)]
mod tests {
    use super::super::option;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_485_700_326);

    /// Bytes that dramatiq 2.2.1 wrote.
    const CAPTURED: &str = r#"{"queue_name":"default","actor_name":"count_to","args":[10],"kwargs":{},"options":{"redis_message_id":"73e655bd-c634-4a8f-9a43-d7858b512e22"},"message_id":"e27a1c89-3350-4d0d-90b0-f08e52f0a8c6","message_timestamp":1795485700326}"#;

    fn body(args: &str) -> String {
        format!(r#"{{"queue_name":"q.DQ","actor_name":"a","args":{args},"kwargs":{{}},"options":{{}}}}"#)
    }

    #[test]
    fn captured_bytes_come_back_unchanged() {
        let message = Message::decode(CAPTURED.as_bytes(), Timestamp::EPOCH).unwrap();
        assert_eq!(message.to_string(), "count_to(10)");
        assert_eq!(message.message_id.short(), "e27a1c89");
        assert_eq!(String::from_utf8(message.encode()).unwrap(), CAPTURED);
    }

    #[test]
    fn what_rust_numbers_and_strings_cannot_hold_passes_through() {
        let args = r#"[123456789012345678901234567890,1e400,"\ud800",-0.0,[1, {"a": 2}]]"#;
        let message = Message::decode(body(args).as_bytes(), NOW).unwrap();
        assert!(String::from_utf8(message.encode()).unwrap().contains(args));
        assert_eq!(message.message_timestamp, NOW);
        assert_eq!(message.queue_name.as_str(), "q");
    }

    #[test]
    fn any_order_spaces_and_raw_text_are_read() {
        let body = " {\"message_timestamp\": 12.75, \"options\": {\"x\": null, \"eta\": 5.5}, \"kwargs\": {\"k\": \"é\"},\n\
                    \"args\": [ ], \"message_id\": \"mine\", \"actor_name\": \"a\", \"queue_name\": \"q\"}";
        let message = Message::decode(body.as_bytes(), NOW).unwrap();
        assert_eq!(message.message_timestamp.as_millis(), 12);
        assert_eq!(message.eta(NOW), Some(Timestamp::from_millis(5)));
        assert_eq!(message.options.get("x"), Some(&Raw::NULL));
        assert_eq!(message.to_string(), "a(k=\"é\")");
    }

    #[test]
    fn bare_words_stand_wherever_python_writes_them() {
        let message = Message::decode(body(r#"[NaN,-Infinity,"NaN",1]"#).as_bytes(), NOW).unwrap();
        assert!(message.args[0].read::<f64>().unwrap().is_nan());
        assert!(String::from_utf8(message.encode()).unwrap().contains(r#"[NaN,-Infinity,"NaN",1]"#));
        let args = r#"[[NaN,1],{"limit":-Infinity}]"#;
        let message = Message::decode(body(args).as_bytes(), NOW).unwrap();
        assert!(message.args[0].read::<Vec<f64>>().unwrap()[0].is_nan());
        assert!(String::from_utf8(message.encode()).unwrap().contains(args));
        let passed_on = body("[]").replace(r#""options":{}"#, r#""options":{"time_limit":Infinity,"x":[NaN,"NaN"]}"#);
        let message = Message::decode(passed_on.as_bytes(), NOW).unwrap();
        assert!(String::from_utf8(message.encode()).unwrap().contains(r#"{"time_limit":Infinity,"x":[NaN,"NaN"]}"#));
    }

    #[test]
    fn what_is_no_message_is_refused_with_a_reason() {
        for (bad, reason) in [
            ("", "EOF"),
            ("nonsense", "expected"),
            ("[]", "invalid"),
            (r#"{"queue_name":"q"}"#, "missing field `actor_name`"),
            (&body("5"), "expected a sequence"),
            (&body("[]").replace("}}", "},\"more\":1}"), "unknown field `more`"),
            (&body(&"[".repeat(100_000)), "expected value"),
            ("\u{feff}{}", "expected value"),
        ] {
            let error = Message::decode(bad.as_bytes(), NOW).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let pickle = Message::decode(b"\x80\x04\x95", NOW).unwrap_err().to_string();
        assert!(pickle.contains("other encoder"), "{pickle}");
    }

    #[test]
    fn a_deep_argument_is_kept_and_refused_by_its_reader() {
        let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        let message = Message::decode(body(&deep).as_bytes(), NOW).unwrap();
        assert!(message.args[0].read::<Vec<u32>>().is_err());
    }

    #[test]
    fn a_bad_eta_is_the_present() {
        let mut message = Message::decode(CAPTURED.as_bytes(), NOW).unwrap();
        assert_eq!(message.eta(NOW), None);
        message.options.set(option::ETA, Raw::from("not-a-number"));
        assert_eq!(message.eta(NOW), Some(NOW));
        message.options.set(option::ETA, Raw::NULL);
        assert_eq!(message.eta(NOW), None);
    }
}
