//! What one side began to retry, the other one goes on with; and dead letters, which both can read.

use std::time::Duration;

use common::actor;
use common::actor::{Context, actors};
use common::message::{Raw, option};
use serde_json::json;

use crate::world::{Note, Notebook, World};

/// Fails as often as it is told.
#[actor]
fn fail(notebook: &Notebook, context: &Context, times: u32) -> Result<(), String> {
    notebook.note(context, json!(times));
    if context.message().retries() < times { Err("rust fails".to_owned()) } else { Ok(()) }
}

const ACTORS: &str = "
from dramatiq.middleware import CurrentMessage

@dramatiq.actor
def fail(times):
    note(times)
    if CurrentMessage.get_current_message().options.get('retries', 0) < times:
        raise ValueError('python fails')
";

/// A Python that takes over soon from a fleet that has gone.
const SOON: Duration = Duration::from_secs(1);

/// The attempts of one message: the same message, one retry more each time, with whatever it was sent with.
fn assert_one_story(notes: &[Note], sides: &[&str]) {
    let sequence: Vec<&str> = notes.iter().map(|note| &*note.side).collect();
    assert_eq!(sequence, sides);
    for (retries, note) in (0..).zip(notes) {
        assert_eq!(note.id(), notes[0].id());
        assert_eq!(note.message.message_timestamp, notes[0].message.message_timestamp);
        assert_eq!(note.message.retries(), retries, "{note:?}");
        assert_eq!(note.message.args, notes[0].message.args);
        assert_eq!(note.message.options.get("mine").map(Raw::as_str), Some(r#"{"kept":[1,"\u00e9"]}"#), "{note:?}");
        assert_eq!(note.message.options.read(option::MIN_BACKOFF), Some(2_000), "{note:?}");
        let traceback: Option<String> = note.message.options.read(option::TRACEBACK);
        let failed = retries.checked_sub(1).map(|last| sides[last as usize]);
        match (failed, traceback) {
            (None, None) => {}
            (Some("rust"), Some(text)) => assert_eq!(text, "rust fails"),
            (Some(_), Some(text)) => assert!(text.ends_with("ValueError: python fails\n"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_fails_first_and_rust_goes_on() {
    let world = World::impatient(SOON).await;
    let script = "
fail.send_with_options(args=(2,), min_backoff=2000, max_backoff=4000, mine={'kept': [1, '\\u00e9']})
";
    world.python(&format!("{ACTORS}\n{script}"));
    one_attempt_by_python(&world, 1);
    one_attempt_by_rust(&world, 2).await;
    // What a stopped Rust worker leaves until later, Python takes over.
    one_attempt_by_python(&world, 3);
    assert_one_story(&world.notes(3), &["python", "rust", "python"]);
    world.settle();
    assert!(world.dead().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_fails_first_and_python_goes_on() {
    let world = World::impatient(SOON).await;
    let kept = Raw::encode(&json!({"kept": [1, "é"]})).unwrap();
    let call = fail::message(2).min_backoff(Duration::from_secs(2)).option("mine", kept);
    call.max_backoff(Duration::from_secs(4)).send(&world.broker).await.unwrap();
    one_attempt_by_rust(&world, 1).await;
    one_attempt_by_python(&world, 2);
    one_attempt_by_rust(&world, 3).await;
    assert_one_story(&world.notes(3), &["rust", "python", "rust"]);
    world.settle();
    assert!(world.dead().await.is_empty());
}

/// Python's worker runs it once, and stops before the retry is due.
fn one_attempt_by_python(world: &World, total: usize) {
    let worker = world.dramatiq(ACTORS);
    assert_eq!(world.notes(total).len(), total);
    // Stopped while the retry waits in its memory, it gives it back.
    worker.terminate();
    worker.wait();
}

async fn one_attempt_by_rust(world: &World, total: usize) {
    let worker = world.rust(actors![fail]).await;
    assert_eq!(world.notes(total).len(), total);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_of_either_side_are_read_by_both() {
    let world = World::new().await;
    let script = "
print(fail.send_with_options(args=(9,), max_retries=1, min_backoff=10, max_backoff=20).message_id)
";
    let python = world.dramatiq(ACTORS);
    let first = world.python(&format!("{ACTORS}\n{script}"));
    world.notes(2);
    world.settle();
    drop(python);
    let rust = world.rust(actors![fail]).await;
    let second = world.python(&format!("{ACTORS}\n{script}"));
    let notes = world.notes(4);
    world.settle();
    rust.stop().await;
    let sides: Vec<_> = notes.iter().map(|note| (&*note.side, note.id())).collect();
    let (first, second) = (first.trim(), second.trim());
    assert_eq!(sides, [("python", first), ("python", first), ("rust", second), ("rust", second)]);

    let letters = world.dead().await;
    let seen: Vec<_> = letters
        .iter()
        .map(|(message, reason)| {
            let traceback: String = message.options.read(option::TRACEBACK).expect("a traceback");
            let last = traceback.trim_end().lines().last().unwrap_or_default().to_owned();
            (message.message_id.to_string(), message.retries(), last, reason.clone())
        })
        .collect();
    let by_python = (first.to_owned(), 1, "ValueError: python fails".to_owned(), None);
    let by_rust = (second.to_owned(), 1, "rust fails".to_owned(), Some("rust fails".to_owned()));
    assert_eq!(seen, [by_python, by_rust]);

    let read = world.python(
        "
for name, died in broker.client.zrange(NAMESPACE + ':default.XQ', 0, -1, withscores=True):
    message = dramatiq.Message.decode(broker.client.hget(NAMESPACE + ':default.XQ.msgs', name))
    assert message.options['redis_message_id'] == name.decode() and died > message.message_timestamp
    print(message.message_id, message.options['retries'], message.options['traceback'].splitlines()[-1])
",
    );
    let expected = format!("{first} 1 ValueError: python fails\n{second} 1 rust fails\n");
    assert_eq!(read, expected);
}
