//! Options of Python's that no person would choose.

use common::actor;
use common::actor::{Context, actors};
use serde_json::json;

use crate::world::{Notebook, World};

#[actor]
fn odd(notebook: &Notebook, context: &Context, name: String) {
    notebook.note(context, json!(name));
}

const SENDER: &str = "
@dramatiq.actor
def odd(name):
    pass

for name, options in dict(
    huge=dict(broker_priority=10**30), negative=dict(broker_priority=-(10**30)), half=dict(broker_priority=0.5),
    text=dict(broker_priority='high'), infinite=dict(broker_priority=float('inf')), nothing=dict(broker_priority=None),
    listed=dict(broker_priority=[1]),
).items():
    odd.send_with_options(args=(name,), **options)
for name, delay in dict(zero=0, one=1, past=-1_000, long_past=-(10**15)).items():
    odd.send_with_options(args=(name,), delay=delay)
";

/// What comes of all of them.
const NAMES: [&str; 11] =
    ["half", "huge", "infinite", "listed", "long_past", "negative", "nothing", "one", "past", "text", "zero"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_priorities_and_delays_of_pythons_run_all_the_same() {
    let world = World::new().await;
    world.python(SENDER);
    let rust = world.rust(actors![odd]).await;
    let notes = world.notes(NAMES.len());
    let mut names: Vec<_> = notes.iter().filter_map(|note| note.what.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, NAMES);
    world.settle();
    rust.stop().await;
}
