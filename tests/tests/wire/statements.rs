//! What each side relies on: X-001 to X-014 of the notes on dramatiq's wire format, as their users notice it.
//!
//! Not here: X-010 (results), and of X-013 what a Rust worker calls back on success and failure.

use std::collections::BTreeSet;
use std::time::Duration;

use common::actor;
use common::actor::{Context, actors};
use common::clock::{Clock, Timestamp};
use common::message::{Message, Raw, option};
use common::queue_name::QueueName;
use common::store::{Store as _, Want};
use common::stores::redis::RedisStore;
use serde_json::{Value, json};

use crate::python::Python;
use crate::world::{Note, Notebook, World, body};

#[actor]
fn work(notebook: &Notebook, context: &Context, n: Value) {
    notebook.note(context, n);
}

#[actor]
fn measure(notebook: &Notebook, context: &Context, n: f64) {
    notebook.note(context, json!(n.to_string()));
}

#[actor]
fn speak(notebook: &Notebook, context: &Context, text: String) {
    notebook.note(context, json!(text));
}

#[actor(max_retries = 1, min_backoff = "1h")]
fn fail(notebook: &Notebook, context: &Context) -> Result<(), String> {
    notebook.note(context, Value::Null);
    Err("rust fails".to_owned())
}

/// Longer than an impatient Python waits for a sign of life.
#[actor]
async fn take_long(notebook: &Notebook, context: &Context) {
    Clock::system().sleep(LONG).await;
    notebook.note(context, Value::Null);
}

const LONG: Duration = Duration::from_secs(6);

/// Lives in Rust alone, and hears of what became of Python's messages.
#[actor(queue = "rust")]
fn hear(notebook: &Notebook, context: &Context, message: Value, about: Value) {
    notebook.note(context, json!([message, about]));
}

#[actor(max_retries = 0, on_retry_exhausted = hear_in_python)]
fn fail_for_good(notebook: &Notebook, context: &Context) -> Result<(), String> {
    notebook.note(context, Value::Null);
    Err("rust gives up".to_owned())
}

/// Declared here, so that it can be named; run by Python.
#[actor(queue = "python")]
fn hear_in_python(message: Value, about: Value) {
    let _ = (message, about);
}

const ACTORS: &str = "
@dramatiq.actor
def work(n):
    note(n)

@dramatiq.actor
def measure(n): note(str(n))

@dramatiq.actor
def speak(text): note(text)

@dramatiq.actor(max_retries=1, min_backoff=3_600_000)
def fail():
    note(None)
    raise ValueError('python fails')

@dramatiq.actor
def take_long():
    note(None)
";

/// What the actors say, in no order.
fn said(notes: &[Note]) -> BTreeSet<String> {
    notes.iter().map(|note| note.what.to_string()).collect()
}

fn fields(bytes: &[u8]) -> BTreeSet<String> {
    let value: serde_json::Map<String, Value> = serde_json::from_slice(bytes).expect("an object");
    value.into_iter().map(|(key, _)| key).collect()
}

const SEVEN: [&str; 7] = ["queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp"];

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

/// X-003.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_commands_are_a_complete_enqueue_for_both() {
    let world = World::new().await;
    let store = |n: u32| {
        let options = format!(r#""redis_message_id":"id{n}""#);
        world.store("default", &format!("id{n}"), &body("default", "work", &format!("[{n}]"), &options, "m"));
    };
    store(1);
    let python = world.dramatiq(ACTORS);
    world.notes(1);
    store(2);
    world.notes(2);
    world.settle();
    drop(python);
    store(3);
    let rust = world.rust(actors![work]).await;
    world.notes(3);
    store(4);
    let notes = world.notes(4);
    let runs: Vec<_> = notes.iter().map(|note| (&*note.side, note.what.as_i64().unwrap())).collect();
    assert_eq!(runs, [("python", 1), ("python", 2), ("rust", 3), ("rust", 4)]);
    world.settle();
    rust.stop().await;
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
        (stored.len() == 4 && stored.iter().all(|(queue, ..)| queue == "default.XQ")).then_some(())
    });
    let float = |float: f64| json!(float.to_string()).to_string();
    let two_to_the_64 = 18_446_744_073_709_551_616.0;
    let expected = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e308, -0.0, two_to_the_64].map(float);
    let others = [json!("😀"), json!(1)].map(|value| value.to_string());
    assert_eq!(said(&world.notes(8)), expected.into_iter().chain(others).collect());
    let letters = world.broker.dead_letters(&QueueName::default(), 9).await.unwrap();
    let mut reasons: Vec<_> = letters.into_iter().filter_map(|letter| letter.reason).collect();
    reasons.sort();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    assert_eq!(reasons[0], "NaN inside of an argument: it can travel as a whole argument only");
    assert!(reasons[1..3].iter().all(|reason| reason == "args[0] (`n`): number out of range"), "{reasons:?}");
    assert!(reasons[3].starts_with("args[0] (`text`): half of a surrogate pair"), "{reasons:?}");
    worker.stop().await;
}

/// X-006.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delay_queue_holds_messages_of_either_name_and_without_a_time_they_run_at_once() {
    let world = World::new().await;
    let store = |side: &str| -> usize {
        let due = world.now() + Duration::from_secs(2);
        let options = |id: &str, eta: Option<Timestamp>| {
            let eta = eta.map(|eta| format!(r#","eta":{eta}"#)).unwrap_or_default();
            format!(r#""redis_message_id":"{side}{id}"{eta}"#)
        };
        let args = json!([due.as_millis()]).to_string();
        let cases = [("1", "default.DQ", Some(due)), ("2", "default", Some(due)), ("3", "default.DQ", None)];
        for (id, queue, eta) in cases {
            let args = if eta.is_some() { &args } else { "[0]" };
            world.store("default.DQ", &format!("{side}{id}"), &body(queue, "work", args, &options(id, eta), id));
        }
        cases.len()
    };
    let python = world.dramatiq(ACTORS);
    let first = store("p");
    world.notes(first);
    world.settle();
    drop(python);
    let rust = world.rust(actors![work]).await;
    let second = store("r");
    let notes = world.notes(first + second);
    world.settle();
    rust.stop().await;
    for (at, note) in notes.iter().enumerate() {
        assert_eq!(note.side, if at < first { "python" } else { "rust" });
        assert!(note.at.as_millis() >= note.what.as_i64().unwrap(), "early: {note:?}");
    }
    assert_eq!(notes.len(), first + second);
    assert_eq!((&notes[0].what, &notes[first].what), (&json!(0), &json!(0)), "what has no time runs first");
}

/// X-007.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_in_the_main_list_that_is_not_due_yet_is_held_until_it_is() {
    for side in ["python", "rust"] {
        let world = World::new().await;
        let (mut python, mut rust) = (None, None);
        if side == "rust" {
            rust = Some(world.rust(actors![work]).await);
        } else {
            python = Some(world.dramatiq(ACTORS));
        }
        let due = world.now() + Duration::from_secs(2);
        let options = format!(r#""redis_message_id":"later","eta":{due}"#);
        world.store("default", "later", &body("default", "work", "[2]", &options, "m"));
        world.store("default", "now", &body("default", "work", "[1]", r#""redis_message_id":"now""#, "n"));
        let notes = world.notes(2);
        assert_eq!((&notes[0].what, &notes[1].what), (&json!(1), &json!(2)), "{side}");
        assert!(notes[1].at >= due, "{side} was early: {due} {:?}", notes[1]);
        world.settle();
        assert_eq!(world.notes(2).len(), 2, "{side}");
        if let Some(rust) = rust {
            rust.stop().await;
        }
        drop(python);
    }
}

/// X-008: Python skips such an id too, and keeps it among its claims until its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_without_a_body_holds_nobody_up_and_is_forgotten() {
    let world = World::new().await;
    let store = |n: u32| {
        let _: i64 = world.redis(&["RPUSH", ":default", &format!("ghost{n}")]);
        let _: i64 = world.redis(&["RPUSH", ":default.DQ", &format!("ghost{n}")]);
        let options = format!(r#""redis_message_id":"id{n}""#);
        world.store("default", &format!("id{n}"), &body("default", "work", &format!("[{n}]"), &options, "m"));
    };
    store(1);
    let python = world.dramatiq(ACTORS);
    assert_eq!(world.notes(1)[0].side, "python");
    world.settle();
    drop(python);
    for key in world.keys().iter().filter(|key| key.starts_with("__acks__")) {
        let _: i64 = world.redis(&["DEL", &format!(":{key}")]);
    }
    store(2);
    store(3);
    let rust = world.rust(actors![work]).await;
    assert_eq!(said(&world.notes(3)[1..]), ["2", "3"].map(str::to_owned).into());
    world.settle();
    rust.stop().await;
    let left: Vec<_> =
        world.keys().into_iter().filter(|key| key.starts_with("default") || key.contains("acks")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// X-009.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_enqueued_twice_by_python_runs_twice() {
    let world = World::new().await;
    let script = "
message = work.message(1)
print(message.message_id)
broker.enqueue(message)
broker.enqueue(message)
";
    let rust = world.rust(actors![work]).await;
    let id = world.python(&format!("{ACTORS}\n{script}"));
    let notes = world.notes(2);
    assert!(notes.iter().all(|note| note.side == "rust" && note.id() == id.trim()), "{notes:?}");
    world.settle();
    // A call that is sent again while it lies there is the same message, and runs once more when it is gone.
    let call = work::message(json!(2));
    rust.stop().await;
    for _ in 0..3 {
        call.send(&world.broker).await.unwrap();
    }
    let python = world.dramatiq(ACTORS);
    world.notes(3);
    world.settle();
    call.send(&world.broker).await.unwrap();
    let notes = world.notes(4);
    world.settle();
    assert_eq!(notes.len(), 4);
    assert!(notes[2..].iter().all(|note| note.side == "python" && note.id() == call.id().as_str()), "{notes:?}");
    drop(python);
}

/// X-011.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rust_worker_that_is_busy_for_long_is_not_robbed_by_python() {
    let silent = LONG / 2;
    let world = World::impatient(silent).await;
    let rust = world.rust(actors![take_long]).await;
    take_long::message().send(&world.broker).await.unwrap();
    world.until("it has been fetched", || {
        let ready: usize = world.redis(&["LLEN", ":default"]);
        (ready == 0).then_some(())
    });
    // It looks for the dead more than once a second.
    let python = world.dramatiq(ACTORS);
    let notes = world.notes(1);
    assert_eq!(notes[0].side, "rust");
    world.settle();
    assert_eq!(world.notes(1).len(), 1);
    rust.stop().await;
    drop(python);
}

/// X-012.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_finds_what_a_dead_rust_worker_held() {
    let world = World::impatient(Duration::from_millis(1_500)).await;
    let due = {
        // A worker that claims, and is never heard of again.
        let store = RedisStore::connect(&world.url, &world.namespace, Clock::system()).await.unwrap();
        let lease = store.join(&[QueueName::default()]).await.unwrap();
        let due = world.now() + Duration::from_secs(2);
        work::message(json!("claimed")).send(&world.broker).await.unwrap();
        work::message(json!("delayed")).at(due).send(&world.broker).await.unwrap();
        work::message(json!("held")).priority(5).send(&world.broker).await.unwrap();
        let want = Want { queue: QueueName::default(), count: 1 };
        let fetched = store.fetch(&lease, &[want]).await.unwrap();
        assert_eq!(fetched.deliveries.len(), 1);
        let ready: usize = world.redis(&["LLEN", ":default"]);
        assert_eq!(ready, 0, "what has a priority is held, and what is delayed waits");
        due
    };
    let keys = world.keys();
    let claims: Vec<_> = keys.iter().filter_map(|key| key.strip_prefix("__acks__.")?.split_once('.')).collect();
    assert_eq!(claims.len(), 3, "its own, and two of the fleet: {claims:?}");
    for (worker, _) in claims {
        let score: Option<f64> = world.redis(&["ZSCORE", ":__heartbeats__", worker]);
        assert!(score.is_some() && worker.len() == 36, "{worker}");
    }
    let python = world.dramatiq(ACTORS);
    let notes = world.notes(3);
    assert!(notes.iter().all(|note| note.side == "python"), "{notes:?}");
    assert_eq!(said(&notes), [r#""claimed""#, r#""delayed""#, r#""held""#].map(str::to_owned).into());
    let delayed = notes.iter().find(|note| note.what == "delayed").unwrap();
    assert!(delayed.at >= due, "early: {delayed:?}");
    world.settle();
    assert_eq!(world.notes(3).len(), 3);
    drop(python);
}

/// X-013, as far as Python calls back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_actors_hear_what_became_of_pythons_messages() {
    const CALLBACKS: &str = "
@dramatiq.actor(queue_name='rust')
def hear(message, about): ...

@dramatiq.actor
def add(a, b): return a + b

@dramatiq.actor(max_retries=0)
def fail(text): raise ValueError(text)
";
    let world = World::new().await;
    let rust = world.rust(actors![hear]).await;
    let python = world.dramatiq_with(CALLBACKS, &["-Q", "default"]);
    let script = r"
print(add.send_with_options(args=(1, 2), on_success='hear').message_id)
print(fail.send_with_options(args=('boom \u00e9',), on_failure='hear').message_id)
print(fail.send_with_options(args=('boom',), on_retry_exhausted='hear').message_id)
";
    let said = world.python(&format!("{CALLBACKS}\n{script}"));
    let ids: Vec<&str> = said.lines().collect();
    let notes = world.notes(3);
    let heard = |id: &str| {
        let found = notes.iter().find(|note| note.what[0]["message_id"] == id);
        found.unwrap_or_else(|| panic!("nothing of {id}: {notes:?}")).what.clone()
    };
    let success = heard(ids[0]);
    assert_eq!(
        (&success[0]["actor_name"], &success[0]["args"], &success[1]),
        (&json!("add"), &json!([1, 2]), &json!(3))
    );
    let failure = heard(ids[1]);
    assert_eq!(failure[1], json!({"type": "ValueError", "message": "boom é"}));
    assert_eq!(failure[0]["options"]["retries"], 1);
    let exhausted = heard(ids[2]);
    assert_eq!(exhausted[1], json!({"retries": 0, "max_retries": 0}));
    for what in [success, failure, exhausted] {
        let keys: BTreeSet<_> = what[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, SEVEN.into());
    }
    rust.stop().await;
    drop(python);
}

/// X-013, the other way, for the one callback that retries themselves send.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_actor_hears_that_rust_gave_up() {
    const HEARS: &str = "
@dramatiq.actor(queue_name='python')
def hear_in_python(message, about):
    note([message, about])
";
    let world = World::new().await;
    let rust = world.rust(actors![fail_for_good]).await;
    let python = world.dramatiq(HEARS);
    let sent = fail_for_good::message().send(&world.broker).await.unwrap();
    let notes = world.notes(2);
    assert_eq!((&*notes[0].side, &*notes[1].side), ("rust", "python"));
    let (message, about) = (&notes[1].what[0], &notes[1].what[1]);
    assert_eq!(message["message_id"], sent.message_id.as_str());
    assert_eq!(
        (&message["options"]["retries"], &message["options"]["traceback"]),
        (&json!(1), &json!("rust gives up"))
    );
    assert_eq!(*about, json!({"retries": 0, "max_retries": 0}));
    rust.stop().await;
    drop(python);
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
