//! Where a message lies: X-003 and X-006 to X-009.

use std::time::Duration;

use common::actor::actors;
use common::clock::Timestamp;
use serde_json::json;

use super::{ACTORS, said, work};
use crate::world::{World, body};

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
