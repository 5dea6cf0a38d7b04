//! A server that restarts, or forgets everything, under workers of both sides.

use std::time::Duration;

use common::actor;
use common::actor::{Context, actors};
use common::clock::Clock;
use serde_json::json;
use tests::process::PATIENCE;
use tests::redis::Server;

use crate::world::{Note, Notebook, World};

#[actor]
fn work(notebook: &Notebook, context: &Context, n: i64) {
    notebook.note(context, json!(n));
}

/// Runs while the server is away.
#[actor(queue = "rust")]
async fn long(notebook: &Notebook, context: &Context) {
    Clock::system().sleep(Duration::from_secs(2)).await;
    notebook.note(context, json!("long"));
}

const ACTORS: &str = "
@dramatiq.actor
def work(n):
    note(n)
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_of_both_sides_go_on_after_a_restart_and_after_everything_was_deleted() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let world = World::on(server.url()).await;
    let rust = world.rust(actors![work, long]).await;
    let python = world.dramatiq(ACTORS);
    long::send(&world.broker).await.unwrap();
    world.until("the long one is claimed", || {
        let ready: usize = world.redis(&["LLEN", ":rust"]);
        (ready == 0).then_some(())
    });
    let due = world.now() + Duration::from_secs(3);
    work::message(0).at(due).send(&world.broker).await.unwrap();
    server.kill();
    server.start_again();
    send(&world, 1).await;
    let notes = world.notes(6);
    world.settle();
    assert_eq!(sorted(&notes), ["\"long\"", "0", "1", "2", "3", "4"]);
    let late = notes.iter().find(|note| note.what == 0).unwrap();
    assert!(late.at >= due, "early: {late:?}");

    let _: () = world.redis(&["FLUSHALL"]);
    let _: () = world.redis(&["SCRIPT", "FLUSH"]);
    send(&world, 5).await;
    let notes = world.notes(4);
    world.settle();
    assert_eq!(sorted(&notes), ["5", "6", "7", "8"]);
    rust.stop().await;
    drop(python);
}

/// Two messages from each side, of consecutive numbers.
async fn send(world: &World, first: i64) {
    for number in [first, first + 1] {
        let call = work::message(number);
        let started = common::clock::Stopwatch::start();
        // The same call again is the same message: nothing is doubled, whatever became of the calls before.
        while let Err(error) = call.send(&world.broker).await {
            assert!(started.elapsed() < PATIENCE, "{error}");
        }
    }
    world.python(&format!("{ACTORS}\nwork.send({})\nwork.send({})", first + 2, first + 3));
}

fn sorted(notes: &[Note]) -> Vec<String> {
    let mut all: Vec<_> = notes.iter().map(|note| note.what.to_string()).collect();
    all.sort();
    all
}
