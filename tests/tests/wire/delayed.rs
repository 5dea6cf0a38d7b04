//! Delayed messages of both sides, taken by workers of both sides that run at once.

use std::collections::HashMap;
use std::time::Duration;

use common::actor;
use common::actor::{Context, actors};
use common::clock::Clock;
use common::message::option;
use common::queue_name::QueueName;
use serde_json::json;

use crate::world::{Notebook, World};

/// Busy for a while, so that the other side gets some as well.
#[actor]
async fn later(notebook: &Notebook, context: &Context, due: i64) {
    notebook.note(context, json!(due));
    Clock::system().sleep(Duration::from_millis(400)).await;
}

const ACTORS: &str = "
@dramatiq.actor
def later(due):
    note(due)
";

/// Of each side.
const MESSAGES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_delayed_messages_run_once_and_never_early() {
    let world = World::new().await;
    // Some lie there before anybody looks, and go into Python's memory; the others come while both work.
    let early = send(&world, 2_500, 100).await;
    let python = world.dramatiq(ACTORS);
    let rust = world.rust(actors![later]).await;
    let late = send(&world, 300, 100).await;
    let notes = world.notes(early + late);
    world.settle();
    for side in ["python", "rust"] {
        assert!(notes.iter().any(|note| note.side == side), "{side} ran none of {}", notes.len());
    }

    let mut runs: HashMap<&str, usize> = HashMap::new();
    for note in &notes {
        *runs.entry(note.id()).or_default() += 1;
        let due = note.what.as_i64().unwrap();
        assert!(note.at.as_millis() >= due, "{} ms early: {note:?}", due - note.at.as_millis());
    }
    assert_eq!((runs.len(), notes.len()), (early + late, early + late), "each once: {runs:?}");
    rust.stop().await;
    python.terminate();
    python.wait();
    assert_eq!(world.notes(early + late).len(), early + late);
}

/// Sends from both sides, due after `first` and every `step` milliseconds from then on, latest first. Each message says
/// when it is due by its own sender's reckoning.
async fn send(world: &World, first: u64, step: u64) -> usize {
    let half = MESSAGES / 2;
    let script = format!(
        "
{ACTORS}
for number in reversed(range({half})):
    delay = {first} + {step} * number
    seconds, micros = broker.client.time()
    later.send_with_options(args=(seconds * 1000 + micros // 1000 + delay,), delay=delay)
"
    );
    world.python(&script);
    for number in (0..half as u64).rev() {
        let delay = Duration::from_millis(first + step * number);
        let due = world.now() + delay;
        later::message(due.as_millis()).delay(delay).send(&world.broker).await.unwrap();
    }
    2 * half
}

/// What has an eta, dramatiq delays, whatever list it comes from: it would send this one once more, under another name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rust_has_promoted_python_does_not_delay_once_more() {
    let world = World::new().await;
    let python = world.dramatiq(ACTORS);
    let rust = world.rust(actors![later]).await;
    // Rust fetches nothing, and Python knows of no pause.
    world.broker.pause(&QueueName::default()).await.unwrap();
    let delay = Duration::from_millis(300);
    let due = (world.now() + delay).as_millis();
    let sent = later::message(due).delay(delay).send(&world.broker).await.unwrap();
    let notes = world.notes(1);
    assert_eq!((notes[0].id(), &*notes[0].side), (sent.message_id.as_str(), "python"));
    let name: Option<String> = notes[0].message.options.read(option::REDIS_MESSAGE_ID);
    assert_eq!(name.as_deref(), Some(sent.message_id.as_str()), "{:?}", notes[0]);
    assert!(notes[0].at.as_millis() >= due, "{:?}", notes[0]);
    world.settle();
    rust.stop().await;
    python.terminate();
    python.wait();
}
