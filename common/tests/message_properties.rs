//! Whatever a message holds, its bytes bring back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use common::clock::Timestamp;
use common::message::{Entries, Message, MessageId, Raw};
use common::queue_name::QueueName;
use proptest::prelude::*;

/// Any JSON value, as text: with numbers that no Rust type holds, lone surrogates, escapes and spaces.
fn json() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON's numbers are finite", |float| float.is_finite())
            .prop_map(|float| format!("{float:?}")),
        "-?[1-9][0-9]{20,40}",
        "-?[0-9]\\.[0-9]{1,30}e[+-]?[0-9]{1,3}".prop_map(|text| text),
    ];
    let text = prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "\"(\\\\u[dD][89abAB][0-9a-f]{2}|[a-z ]|\\\\n|\\\\\")*\"",
    ];
    let leaf = prop_oneof![Just("null".to_owned()), Just("true".to_owned()), number, text];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(("[a-z]{1,3}", inner), 0..4).prop_map(|entries| {
                let entries: Vec<_> = entries.into_iter().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

/// What may stand as a whole argument: JSON, or a word of Python's.
fn argument() -> impl Strategy<Value = String> {
    prop_oneof![9 => json(), 1 => prop_oneof![Just("NaN"), Just("Infinity"), Just("-Infinity")].prop_map(str::to_owned)]
}

fn body(
    args: &[String],
    kwargs: &[(String, String)],
    options: &[(String, String)],
    id: &str,
    timestamp: i64,
) -> String {
    let object = |entries: &[(String, String)]| {
        let entries: Vec<_> =
            entries.iter().map(|(key, value)| format!("{}:{value}", serde_json::to_string(key).unwrap())).collect();
        format!("{{{}}}", entries.join(","))
    };
    format!(
        r#"{{"queue_name":"q","actor_name":"a","args":[{}],"kwargs":{},"options":{},"message_id":{},"message_timestamp":{timestamp}}}"#,
        args.join(","),
        object(kwargs),
        object(options),
        serde_json::to_string(id).unwrap(),
    )
}

fn entries() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::btree_map("[a-z_é]{1,8}", argument(), 0..4).prop_map(|entries| entries.into_iter().collect())
}

proptest! {
    #[test]
    fn what_was_read_is_written_byte_for_byte(
        args in prop::collection::vec(argument(), 0..4),
        kwargs in entries(),
        options in entries(),
        id in "[ -~]{0,40}",
        timestamp in any::<i64>(),
    ) {
        let body = body(&args, &kwargs, &options, &id, timestamp);
        let message = Message::decode(body.as_bytes(), Timestamp::EPOCH).unwrap();
        for (arg, text) in message.args.iter().zip(&args) {
            prop_assert_eq!(arg.as_str(), text.as_str());
        }
        for (entries, texts) in [(&message.kwargs, &kwargs), (&message.options, &options)] {
            for (key, text) in texts {
                prop_assert_eq!(entries.get(key).unwrap().as_str(), text.as_str());
            }
        }
        prop_assert_eq!(message.message_timestamp.as_millis(), timestamp);
        let again = Message::decode(&message.encode(), Timestamp::EPOCH).unwrap();
        prop_assert_eq!(&again, &message);
        prop_assert_eq!(again.encode(), message.encode());
    }

    #[test]
    fn what_rust_sends_comes_back(
        text in any::<String>(),
        number in any::<i64>(),
        list in prop::collection::vec(any::<Option<f64>>(), 0..5),
        actor in "[^\u{0}]{1,20}",
        id in any::<String>(),
    ) {
        prop_assume!(list.iter().flatten().all(|float| float.is_finite()));
        let mut kwargs = Entries::default();
        kwargs.set(&text, Raw::from(text.as_str()));
        let args = [Raw::from(text.as_str()), Raw::from(number), Raw::encode(&list).unwrap()];
        let message = Message {
            kwargs,
            message_id: MessageId::from(id.as_str()),
            ..Message::new(QueueName::default(), actor.as_str(), args, Timestamp::from_millis(number))
        };
        let bytes = message.encode();
        prop_assert!(bytes.iter().all(|byte| matches!(byte, b' '..=b'~')), "pure ASCII, as Python writes it");
        let back = Message::decode(&bytes, Timestamp::EPOCH).unwrap();
        prop_assert_eq!(&back, &message);
        prop_assert_eq!(back.args[0].read::<String>().unwrap(), text);
        prop_assert_eq!(back.args[2].read::<Vec<Option<f64>>>().unwrap(), list);
    }

    #[test]
    fn no_bytes_are_too_strange_to_be_looked_at(bytes in any::<Vec<u8>>()) {
        let _ = Message::decode(&bytes, Timestamp::EPOCH);
    }

    #[test]
    fn no_text_like_a_message_is_too_strange_to_be_looked_at(
        text in "\\{(\"(queue_name|args|kwargs|options)\"|NaN|-Infinity|[\\[\\]{}:,\"\\\\1-]){0,40}\\}",
    ) {
        let _ = Message::decode(text.as_bytes(), Timestamp::EPOCH);
    }
}
