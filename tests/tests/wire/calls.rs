//! Every kind of call and parameter, both ways, between a real dramatiq and a Rust worker.

use std::time::Duration;

use common::actor::{Context, actors};
use common::message::{Message, Raw, option};
use common::queue_name::QueueName;
use common::{actor, actor::Actor as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::{Note, Notebook, World};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Parcel {
    number: u64,
    tags: Vec<String>,
    weight: Option<f64>,
    colour: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
}

#[actor]
fn count_to(notebook: &Notebook, context: &Context, n: i64) {
    notebook.note(context, json!([n]));
}

#[actor]
fn named(notebook: &Notebook, context: &Context, first: u32, second: String, third: Option<u32>) {
    notebook.note(context, json!([first, second, third]));
}

#[actor]
fn rich(
    notebook: &Notebook,
    context: &Context,
    list: Vec<Vec<i32>>,
    parcel: Parcel,
    colour: Colour,
    maybe: Option<Parcel>,
) {
    notebook.note(context, json!([list, parcel, colour, maybe]));
}

/// The same actors there; a parameter that may be absent has a default.
const ACTORS: &str = "
@dramatiq.actor
def count_to(n):
    note([n])

@dramatiq.actor
def named(first, second, third=None):
    note([first, second, third])

@dramatiq.actor
def rich(list, parcel, colour, maybe=None):
    note([list, parcel, colour, maybe])
";

/// What was noted of one call.
fn of<'a>(notes: &'a [Note], id: &str) -> &'a Note {
    let found: Vec<_> = notes.iter().filter(|note| note.id() == id).collect();
    assert_eq!(found.len(), 1, "{id} ran {} times", found.len());
    found[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_python_calls_rust_runs() {
    let world = World::new().await;
    let worker = world.rust(actors![count_to, named, rich]).await;
    let script = r#"
parcel = dict(number=2**64 - 1, tags=["a", "\u00e9\u2603"], weight=None, colour="green")
calls = [
    count_to.send(10),
    count_to.send(n=-(2**63)),
    named.send(1, "two", 3),
    named.send(1, "two", None),
    named.send(1, "two"),
    named.send(third=3, first=1, second="two"),
    named.send(1, third=None, second="two"),
    rich.send([[1], [], [-2, 3]], parcel, "red", parcel),
    rich.send(((1,), ()), parcel | dict(weight=0.25), colour="green"),
    count_to.send_with_options(args=(20,), delay=300),
    count_to.send_with_options(kwargs={"n": 30}, max_retries=None, time_limit=float("inf"), mine={"deep": [1, None]}),
]
for call in calls:
    print(call.message_id)
"#;
    let said = world.python(&format!("{ACTORS}\n{script}"));
    let ids: Vec<&str> = said.lines().collect();
    let parcel = json!({"number": u64::MAX, "tags": ["a", "é☃"], "weight": null, "colour": "green"});
    let mut light = parcel.clone();
    light["weight"] = json!(0.25);
    let expected = [
        json!([10]),
        json!([i64::MIN]),
        json!([1, "two", 3]),
        json!([1, "two", null]),
        json!([1, "two", null]),
        json!([1, "two", 3]),
        json!([1, "two", null]),
        json!([[[1], [], [-2, 3]], parcel, "red", parcel]),
        json!([[[1], []], light, "green", null]),
        json!([20]),
        json!([30]),
    ];
    assert_eq!(ids.len(), expected.len());
    let notes = world.notes(ids.len());
    for (id, expected) in ids.iter().zip(&expected) {
        let note = of(&notes, id);
        assert_eq!((&*note.side, &note.what), ("rust", expected), "{id}");
    }
    let delayed = of(&notes, ids[9]);
    assert!(delayed.at >= delayed.message.eta(delayed.at).expect("its time"), "{delayed:?}");
    let options = &of(&notes, ids[10]).message.options;
    assert_eq!(options.get("time_limit").unwrap().as_str(), "Infinity");
    assert_eq!(options.get("mine").unwrap().as_str(), r#"{"deep":[1,null]}"#);
    assert!(options.get(option::MAX_RETRIES).unwrap().is_null());
    world.settle();
    worker.stop().await;
}

/// A call by keyword, which only a message put together by hand is.
fn by_keyword(actor: &str, args: &[Value], kwargs: &[(&str, Value)], now: common::clock::Timestamp) -> Message {
    let args = args.iter().map(|value| Raw::encode(value).unwrap());
    let mut message = Message::new(QueueName::default(), actor, args, now);
    for (name, value) in kwargs {
        message.kwargs.set(name, Raw::encode(value).unwrap());
    }
    message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_rust_calls_python_runs() {
    let world = World::new().await;
    let worker = world.dramatiq(ACTORS);
    let parcel = Parcel {
        number: u64::MAX,
        tags: vec!["a".to_owned(), "é☃\u{7f}\"".to_owned()],
        weight: None,
        colour: Colour::Red,
    };
    let value = serde_json::to_value(&parcel).unwrap();
    let name = named::DECLARATION.name;
    let now = world.broker.clock().now();
    let calls = [
        (count_to::message(10).untyped(), json!([10])),
        (count_to::message(i64::MIN).untyped(), json!([i64::MIN])),
        (named::message(1, "two", Some(3)).untyped(), json!([1, "two", 3])),
        (named::message(1, "two", None).untyped(), json!([1, "two", null])),
        (
            rich::message(vec![vec![1], vec![], vec![-2, 3]], parcel.clone(), Colour::Green, Some(parcel.clone()))
                .untyped(),
            json!([[[1], [], [-2, 3]], value, "green", value]),
        ),
        (count_to::message(20).delay(Duration::from_millis(300)).untyped(), json!([20])),
        (
            count_to::message(30)
                .max_retries(7)
                .min_backoff(Duration::from_secs(1))
                .priority(-3)
                .option("mine", Raw::encode(&vec![Some(1), None]).unwrap())
                .option("time_limit", Raw::encode(&f64::INFINITY).unwrap())
                .untyped(),
            json!([30]),
        ),
    ];
    let mut expected = Vec::new();
    for (call, what) in calls {
        call.send(&world.broker).await.unwrap();
        expected.push((call.id().to_string(), what));
    }
    let by_hand = [
        (by_keyword("count_to", &[], &[("n", json!(3))], now), json!([3])),
        (by_keyword(name, &[json!(1)], &[("third", json!(3)), ("second", json!("two"))], now), json!([1, "two", 3])),
        (by_keyword(name, &[json!(1), json!("two")], &[], now), json!([1, "two", null])),
    ];
    for (message, what) in by_hand {
        expected.push((message.message_id.to_string(), what));
        world.broker.enqueue(vec![message]).await.unwrap();
    }
    let notes = world.notes(expected.len());
    for (id, what) in &expected {
        let note = of(&notes, id);
        assert_eq!((&*note.side, &note.what), ("python", what), "{id}");
    }
    let delayed = of(&notes, &expected[5].0);
    assert!(delayed.at.since(delayed.message.message_timestamp) >= Duration::from_millis(300), "{delayed:?}");
    let options = &of(&notes, &expected[6].0).message.options;
    for (name, value) in [
        (option::MAX_RETRIES, "7"),
        (option::MIN_BACKOFF, "1000"),
        (option::PRIORITY, "-3"),
        ("mine", "[1,null]"),
        ("time_limit", "Infinity"),
    ] {
        assert_eq!(options.get(name).unwrap().as_str(), value, "{name}");
    }
    world.settle();
    drop(worker);
}
