//! What stands in a message: X-001, X-002, X-004, X-005 and X-014.

use std::collections::BTreeSet;
use std::time::Duration;

use common::actor::actors;
use common::clock::Timestamp;
use common::message::{Message, Raw, option};
use common::queue_name::QueueName;
use serde_json::{Value, json};

use super::{ACTORS, SEVEN, fail, measure, said, speak, work};
use crate::python::Python;
use crate::world::{World, body};

fn fields(bytes: &[u8]) -> BTreeSet<String> {
    let value: serde_json::Map<String, Value> = serde_json::from_slice(bytes).expect("an object");
    value.into_iter().map(|(key, _)| key).collect()
}

/// X-001, and the first half of X-002: what Rust has written, wherever it lies.
fn assert_sound(world: &World, python: &mut Python) {
    for (queue, id, bytes) in world.stored() {
        assert_eq!(fields(&bytes), SEVEN.map(str::to_owned).into(), "in {queue}");
        let read = python.read(&bytes).unwrap_or_else(|error| panic!("python does not read {id} of {queue}: {error}"));
        let message = Message::decode(&read, Timestamp::EPOCH).unwrap();
        let named: Option<String> = message.options.read(option::REDIS_MESSAGE_ID);
        assert_eq!(named, Some(id), "in {queue}");
        assert_eq!(message.options.get("mine").map(Raw::as_str), Some(r#"{"a":[1,null]}"#), "in {queue}");
    }
}

/// X-001.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_reads_all_that_rust_writes_and_options_of_others_are_passed_on() {
    let (world, mut python) = (World::new().await, Python::start());
    let mine = || Raw::encode(&json!({"a": [1, null]})).unwrap();
    let hour = Duration::from_secs(3_600);
    // Without and with a fleet: in the lists, in the indexes, retried, dead.
    for _ in 0..2 {
        work::message(json!(1)).option("mine", mine()).priority(3).send(&world.broker).await.unwrap();
        work::message(json!(2)).option("mine", mine()).delay(hour).send(&world.broker).await.unwrap();
        fail::message().option("mine", mine()).send(&world.broker).await.unwrap();
        fail::message().option("mine", mine()).max_retries(0).send(&world.broker).await.unwrap();
        assert_sound(&world, &mut python);
        let worker = world.rust(actors![work, fail]).await;
        worker.stop().await;
    }
    let worker = world.rust(actors![work, fail]).await;
    world.notes(6);
    worker.stop().await;
    assert_sound(&world, &mut python);
    let stored = world.stored();
    let places: Vec<&str> = stored.iter().map(|(queue, ..)| queue.as_str()).collect();
    assert_eq!(places.iter().filter(|place| **place == "default.DQ").count(), 4, "{places:?}");
    assert_eq!(places.iter().filter(|place| **place == "default.XQ").count(), 2, "{places:?}");
}

/// X-001, the other way: what Rust has never heard of is still there after it retried the message for Python.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_that_only_python_understands_outlive_a_retry_by_rust() {
    let world = World::new().await;
    let worker = world.rust(actors![fail]).await;
    world.python(&format!(
        "
{ACTORS}
fail.send_with_options(time_limit=float('inf'), pipe_ignore=True, mine={{'a': [1, None]}}, big=2**70)
"
    ));
    world.notes(1);
    worker.stop().await;
    let (queue, _, bytes) = world.stored().remove(0);
    assert_eq!(queue, "default.DQ");
    let message = Message::decode(&bytes, Timestamp::EPOCH).unwrap();
    for (name, value) in [
        ("time_limit", "Infinity"),
        ("pipe_ignore", "true"),
        ("mine", r#"{"a":[1,null]}"#),
        ("big", "1180591620717411303424"),
        ("retries", "1"),
    ] {
        assert_eq!(message.options.get(name).map(Raw::as_str), Some(value), "{name}");
    }
}

/// X-002: Python runs such a message and never acknowledges it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_names_another_id_than_its_own_is_run_and_acknowledged_all_the_same() {
    let world = World::new().await;
    world.store("default", "one", &body("default", "work", "[1]", r#""redis_message_id":"another""#, "m1"));
    world.store("default", "two", &body("default", "work", "[2]", "", "m2"));
    world.store("default", "three", &body("default", "work", "[3]", r#""redis_message_id":7"#, "m3"));
    let hour = 3_600_000;
    let failing = format!(r#""redis_message_id":"another","min_backoff":{hour}"#);
    world.store("default", "four", &body("default", "fail", "[]", &failing, "m4"));
    let worker = world.rust(actors![work, fail]).await;
    let notes = world.notes(4);
    assert_eq!(said(&notes), ["1", "2", "3", "null"].map(str::to_owned).into());
    worker.stop().await;
    // The retry, and nothing else; that one has a name again that Python can acknowledge.
    let stored = world.stored();
    let [(queue, id, bytes)] = &*stored else { panic!("{stored:?}") };
    let retry = Message::decode(bytes, Timestamp::EPOCH).unwrap();
    assert_eq!((queue.as_str(), retry.message_id.as_str()), ("default.DQ", "m4"));
    assert_eq!(retry.options.read::<String>(option::REDIS_MESSAGE_ID).as_ref(), Some(id));
}

/// Bodies that Python accepts though it would not write them: X-004.
const UNUSUAL: [(&str, &str, &str); 5] = [
    (
        "default",
        "order",
        r#"{ "options" : {"redis_message_id": "order"} , "message_timestamp" : 1795485700331 , "args" : [ "order" ], "message_id" : "no uuid" ,
           "kwargs" : { } , "actor_name" : "work" , "queue_name" : "default" }"#,
    ),
    (
        "default",
        "text é",
        r#"{"queue_name":"default","actor_name":"work","args":["é☃😀"],"kwargs":{},"options":{"redis_message_id":"text é"},"message_id":"é","message_timestamp":1795485700331}"#,
    ),
    (
        "default",
        "float",
        r#"{"queue_name":"default","actor_name":"work","args":["float"],"kwargs":{},"options":{"redis_message_id":"float"},"message_id":"f","message_timestamp":1795485700331.75}"#,
    ),
    (
        "default.DQ",
        "eta",
        r#"{"queue_name":"default.DQ","actor_name":"work","args":["eta"],"kwargs":{},"options":{"redis_message_id":"eta","eta":1795485700331.5},"message_id":"e","message_timestamp":1.795485700331e12}"#,
    ),
    (
        "default",
        "missing",
        r#"{"queue_name":"default","actor_name":"work","args":["missing"],"kwargs":{},"options":{"redis_message_id":"missing"}}"#,
    ),
];

/// X-004.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_spaces_raw_text_float_times_and_ids_of_any_form_are_accepted_by_both() {
    let world = World::new().await;
    let expected = UNUSUAL.map(|(_, id, _)| json!(id.replace("text é", "é☃😀")).to_string()).into();
    let store = || UNUSUAL.iter().for_each(|(queue, id, body)| world.store(queue, id, body));
    store();
    let python = world.dramatiq(ACTORS);
    assert_eq!(said(&world.notes(UNUSUAL.len())), expected);
    world.settle();
    drop(python);
    store();
    let rust = world.rust(actors![work]).await;
    let notes = world.notes(2 * UNUSUAL.len());
    assert_eq!(said(&notes[UNUSUAL.len()..]), expected);
    world.settle();
    rust.stop().await;
}

/// X-005.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_and_texts_that_rust_has_no_type_for_run_or_die_with_a_reason() {
    let world = World::new().await;
    let worker = world.rust(actors![work, measure, speak]).await;
    world.python(&format!(
        "
{ACTORS}
for n in [float('nan'), float('inf'), float('-inf'), 1e308, -0.0, 2**64]: measure.send(n)
measure.send(2**2000)
work.send([float('nan')])
speak.send('\\ud800')
speak.send('\\U0001f600')
work.send_with_options(args=(1,), time_limit=float('inf'), big=2**70, text='\\ud800')
"
    ));
    world.store("default", "huge", &body("default", "measure", "[1e400]", "", "huge"));
    world.until("all have ended", || {
        let stored = world.stored();
        (stored.len() == 3 && stored.iter().all(|(queue, ..)| queue == "default.XQ")).then_some(())
    });
    let float = |float: f64| json!(float.to_string()).to_string();
    let two_to_the_64 = 18_446_744_073_709_551_616.0;
    let expected = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e308, -0.0, two_to_the_64].map(float);
    // Python's NaN is read wherever it stands; a JSON value, which this actor takes, has none.
    let others = [json!("😀"), json!(1), json!([null])].map(|value| value.to_string());
    assert_eq!(said(&world.notes(9)), expected.into_iter().chain(others).collect());
    let letters = world.broker.dead_letters(&QueueName::default(), 0, 9).await.unwrap();
    let mut reasons: Vec<_> = letters.into_iter().filter_map(|letter| letter.reason).collect();
    reasons.sort();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(reasons[..2].iter().all(|reason| reason == "args[0] (`n`): number out of range"), "{reasons:?}");
    assert!(reasons[2].starts_with("args[0] (`text`): half of a surrogate pair"), "{reasons:?}");
    worker.stop().await;
}

/// X-014.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_traceback_is_text_and_whatever_stood_there_before_is_replaced() {
    let world = World::new().await;
    let odd = ["7", "null", r#"["a"]"#, r#""\ud800""#, r#""python fails""#];
    for (number, traceback) in odd.iter().enumerate() {
        let options = format!(r#""redis_message_id":"id{number}","traceback":{traceback}"#);
        world.store("default", &format!("id{number}"), &body("default", "fail", "[]", &options, &number.to_string()));
    }
    let rust = world.rust(actors![fail]).await;
    world.notes(odd.len());
    rust.stop().await;
    let stored = world.stored();
    assert_eq!(stored.len(), odd.len());
    for (queue, id, bytes) in stored {
        assert_eq!(queue, "default.DQ", "{id}");
        let retry = Message::decode(&bytes, Timestamp::EPOCH).unwrap();
        assert_eq!(retry.options.read::<String>(option::TRACEBACK).as_deref(), Some("rust fails"));
    }
    // A retry of Rust's is a retry for Python: its count goes on, and its text stays text.
    let messages = world.python(
        "
for bytes in broker.client.hvals(NAMESPACE + ':default.DQ.msgs'):
    message = dramatiq.Message.decode(bytes)
    print(type(message.options['traceback']).__name__, message.options['retries'])
",
    );
    assert_eq!(messages, "str 1\n".repeat(odd.len()));
}
