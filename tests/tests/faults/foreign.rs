//! Somebody else uses a name of ours for something of another type.

use common::error::{EnqueueError, StoreError};

use crate::listener::{lines, wait_for_line};
use crate::rig::*;
use crate::work::{die, flaky, gate, say, shout};

/// Every key of ours, as far as a worker of the default queue meets it. `W` stands for the worker.
const KEYS: &[&str] = &[
    "default",
    "default.msgs",
    "default.DQ",
    "default.DQ.msgs",
    "default.XQ",
    "default.XQ.msgs",
    "default.XQ@why",
    "default@held",
    "default@due",
    "default@crashes",
    "__acks__.W.default",
    "__heartbeats__",
    "@rust",
    "@beats",
];

/// What all queues need.
const EVERYWHERE: [&str; 3] = ["__heartbeats__", "@rust", "@beats"];

const PLANT: &str = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
    return redis.call('SET', KEYS[1], 'foreign')";

const REMOVE: &str = "redis.call('DEL', KEYS[1])
    if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAME', KEYS[2], KEYS[1]) end";

#[test]
fn a_foreign_key_is_named_and_stops_only_what_needs_it_until_it_is_gone() {
    each(KEYS, |key| meets(key));
}

async fn meets(key: &'static str) {
    let rig = Rig::new().await;
    let worker = rig.worker(1).await;
    // While the first message runs, the others wait in the store.
    rig.send(gate::message("gate")).await;
    rig.board.hear("gate").await;
    for number in 0..4 {
        rig.send(say::message(format!("plain {number}"))).await;
    }
    rig.send(flaky::message("flaky")).await;
    rig.send(die::message("dead")).await;
    rig.send(say::message("prioritised").priority(-1)).await;
    rig.send(say::message("behind").priority(1)).await;
    rig.send(say::message("delayed").delay(std::time::Duration::from_millis(300))).await;
    let name = format!("{}:{}", rig.namespace, key.replace('W', &worker_id(&rig)));
    let _: String = rig.redis(&["EVAL", PLANT, "2", &name, "aside"]);
    let other = shout::message("other").send(&rig.broker).await;
    rig.board.open_gate();

    let line = wait_for_line(&["holds something foreign", &format!("`{name}`")]);
    assert!(line.starts_with("WARN"), "{line}");
    other.expect("the other queue has nothing to do with it");
    if !EVERYWHERE.contains(&key) {
        rig.board.hear("other").await;
    }
    // What needs the key is refused as a whole, with its name.
    for call in [say::message("refused"), say::message("refused").priority(1)] {
        match call.send(&rig.broker).await {
            Ok(_) => {}
            Err(EnqueueError::NotStored { stored: 0, cause: StoreError::WrongKeyType { key, .. } }) => {
                assert_eq!(key, name);
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }

    let _: () = rig.redis(&["EVAL", REMOVE, "2", &name, "aside"]);
    for said in ["plain 0", "plain 1", "plain 2", "plain 3", "flaky", "dead", "prioritised", "behind", "delayed"] {
        rig.board.hear(said).await;
    }
    rig.settle(1).await;
    for (said, times) in rig.board.all() {
        assert!(times == 1 || ["flaky, at first", "refused"].contains(&said.as_str()), "{name}: {said} {times} times");
    }
    // Said, and not said again and again.
    let count = lines(&["holds something foreign", &format!("`{name}`")]).len();
    assert!(count <= 12, "{name}: said {count} times");
    rig.send(say::message("as before")).await;
    rig.board.hear("as before").await;
    rig.settle(1).await;
    worker.stop().await;
}

/// The one worker that is registered and no fleet.
fn worker_id(rig: &Rig) -> String {
    let all: Vec<(String, String)> = rig.redis(&["HGETALL", ":@rust"]);
    all.into_iter().find(|(_, queues)| !queues.starts_with('@')).unwrap().0
}
