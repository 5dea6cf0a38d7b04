//! Who runs a message, and who hears of it: X-011 to X-013.

use std::collections::BTreeSet;
use std::time::Duration;

use common::actor::actors;
use common::clock::Clock;
use common::queue_name::QueueName;
use common::store::{FetchRequest, Store as _};
use serde_json::json;

use super::{ACTORS, LONG, SEVEN, fail_for_good, hear, said, take_long, work};
use crate::world::World;

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
        let store = tests::redis::store(&world.url, &world.namespace, &Clock::system()).await;
        let registration = store.register(&[QueueName::default()]).await.unwrap();
        let due = world.now() + Duration::from_secs(2);
        work::message(json!("claimed")).send(&world.broker).await.unwrap();
        work::message(json!("delayed")).at(due).send(&world.broker).await.unwrap();
        work::message(json!("held")).priority(5).send(&world.broker).await.unwrap();
        let want = FetchRequest { queue: QueueName::default(), count: 1, before: None };
        let fetched = store.fetch(&registration, &[want], usize::MAX).await.unwrap();
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
