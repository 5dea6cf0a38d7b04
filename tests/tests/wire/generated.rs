//! Messages that nobody thought of, through the other side and back. The same ones at every run.

use std::collections::BTreeMap;

use common::clock::Timestamp;
use common::message::{Entries, Message, MessageId, Raw};
use common::queue_name::QueueName;
use serde_json::Value;
use tests::model::random::Random;

use crate::python::Python;

const MESSAGES: u64 = 400;

#[test]
fn what_rust_writes_python_reads_and_requeues() {
    let mut python = Python::start();
    for seed in 1..=MESSAGES {
        let message = any_message(&mut Random::new(seed));
        let bytes = message.encode();
        let written = python.read(&bytes).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{message:?}"));
        let back = Message::decode(&written, Timestamp::EPOCH).unwrap();
        assert_alike(&back, &message, seed);
        // What Python has written, it finds again in ours.
        assert_eq!(back.encode(), written, "seed {seed}");
    }
}

#[test]
fn what_python_writes_rust_reads_and_requeues() {
    let mut python = Python::start();
    for seed in 1..=MESSAGES {
        let bytes = python.make(seed);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let message =
            Message::decode(&bytes, Timestamp::EPOCH).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        let plain = text.replacen(r#"{"queue_name":"default.DQ""#, r#"{"queue_name":"default""#, 1);
        let encoded = message.encode();
        assert_eq!(String::from_utf8_lossy(&encoded), plain, "seed {seed}");
        assert_eq!(python.read(&encoded).as_deref(), Ok(plain.as_bytes()), "seed {seed}");
    }
}

/// Equal, but for the spelling of floats.
fn assert_alike(back: &Message, sent: &Message, seed: u64) {
    assert_eq!(
        (&back.queue_name, &back.actor_name, &back.message_id, back.message_timestamp),
        (&sent.queue_name, &sent.actor_name, &sent.message_id, sent.message_timestamp),
        "seed {seed}"
    );
    let values = |message: &Message| -> Vec<(String, Raw)> {
        let args = message.args.iter().map(|value| (String::new(), value.clone()));
        let named = message.kwargs.iter().chain(message.options.iter());
        args.chain(named.map(|(key, value)| (key.to_owned(), value.clone()))).collect()
    };
    let (back, sent) = (values(back), values(sent));
    assert_eq!(back.len(), sent.len(), "seed {seed}");
    for ((key, back), (name, sent)) in back.iter().zip(&sent) {
        assert_eq!(key, name, "seed {seed}");
        if back != sent {
            assert!(sent.as_str().contains(['.', 'e']), "seed {seed}: {back} for {sent}");
            assert_eq!(back.read::<Value>(), sent.read::<Value>(), "seed {seed}: {back} for {sent}");
        }
    }
}

fn any_message(random: &mut Random) -> Message {
    let args = (0..random.below(5)).map(|_| any_value(random)).collect();
    Message {
        queue_name: QueueName::canonical(["default", "mail.high-2_x", "_"][random.index(3)]),
        actor_name: any_text(random).into(),
        args,
        kwargs: any_entries(random),
        options: any_entries(random),
        message_id: if random.chance(50) { MessageId::random() } else { MessageId::from(any_text(random).as_str()) },
        message_timestamp: Timestamp::from_millis(random.number(u64::MAX >> 12)),
    }
}

fn any_entries(random: &mut Random) -> Entries {
    let mut entries = Entries::default();
    for _ in 0..random.below(4) {
        entries.set(&any_text(random), any_value(random));
    }
    entries
}

/// An argument of one of the types that actors take, encoded as a call encodes it.
fn any_value(random: &mut Random) -> Raw {
    let some = |random: &mut Random| random.below(4);
    match random.below(14) {
        0 => Raw::encode(&()),
        1 => Raw::encode(&random.chance(50)),
        2 => Raw::encode(&random.number(100)),
        3 => Raw::encode(&(any_bits(random).cast_signed())),
        4 => Raw::encode(&any_bits(random)),
        5 => Raw::encode(&((i128::from(any_bits(random)) << 60) - (1 << 120))),
        6 => Raw::encode(&f64::from_bits(any_bits(random))),
        7 => Raw::encode(&any_float(random)),
        8 => Raw::encode(&any_text(random)),
        9 => Raw::encode(&any_text(random).chars().next()),
        10 => Raw::encode(&(0..some(random)).map(|_| any_text(random)).collect::<Vec<_>>()),
        11 => {
            Raw::encode(&(0..some(random)).map(|_| (any_text(random), any_float(random))).collect::<BTreeMap<_, _>>())
        }
        12 => Raw::encode(
            &(0..some(random)).map(|_| (any_bits(random), Some((any_text(random), ())))).collect::<BTreeMap<_, _>>(),
        ),
        _ => Raw::encode(&(any_float(random), vec![vec![None, Some(any_bits(random))]], random.chance(50))),
    }
    .unwrap()
}

fn any_bits(random: &mut Random) -> u64 {
    random.below(1 << 32) << 32 | random.below(1 << 32)
}

/// A finite number: only a whole argument may be none.
fn any_float(random: &mut Random) -> f64 {
    loop {
        let float = f64::from_bits(any_bits(random));
        if float.is_finite() {
            return float;
        }
    }
}

fn any_text(random: &mut Random) -> String {
    let any = |random: &mut Random| {
        let end = [0x80, 0x800, 0x1_0000, 0x11_0000][random.index(4)];
        u32::try_from(random.below(end)).ok().and_then(char::from_u32).unwrap_or('"')
    };
    (0..random.below(8)).map(|_| any(random)).collect()
}
