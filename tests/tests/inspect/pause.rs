//! `pause`, `resume`, `purge`: what people do to a queue.

use crate::backend::Backend;
use serde_json::json;
use tests::process::{PATIENCE, eventually};

on_each_store![a_paused_queue_rests_until_it_is_resumed, a_queue_that_nobody_knows_is_not_paused, a_purge_asks_first,];

fn a_paused_queue_rests_until_it_is_resumed(backend: &Backend) {
    let worker = backend.worker(1);
    let said = backend.says(&["pause", "default"]);
    assert_eq!(said, "Queue default is paused: what was fetched still runs, nothing more is fetched.");
    let again = backend.json(&["pause", "default"]);
    assert_eq!(again, json!({ "queue": "default", "paused": true, "changed": false, "python_goes_on": false }));
    backend.send(&["note", "1"]);
    // The other queue goes on: what came later has ended while this waits.
    backend.send(&["mail", "2"]);
    worker.wait_for_line("mailed 2");
    assert_eq!(backend.json(&["queues"])["queues"][0]["ready"], json!(1));
    assert_eq!(backend.says(&["resume", "default"]), "Queue default goes on.");
    worker.wait_for_line("noted 1");
    let again = backend.json(&["resume", "default"]);
    assert_eq!(again, json!({ "queue": "default", "paused": false, "changed": false }));
}

fn a_queue_that_nobody_knows_is_not_paused(backend: &Backend) {
    for command in ["pause", "resume", "purge"] {
        let process = backend.run(&[command, "defualt"]);
        assert_eq!(process.wait().code(), Some(2), "{process}");
        process.wait_for_line("nobody here knows a queue defualt; there are: default, mail");
    }
    assert_eq!(backend.json(&["queues"])["queues"], json!([]));
}

fn a_purge_asks_first(backend: &Backend) {
    let worker = backend.worker(1);
    let held = backend.send(&["hold", &backend.gate("gate")]);
    backend.wait_until(&held, "running");
    backend.says(&["pause", "default"]);
    for number in ["1", "2"] {
        backend.send(&["note", number]);
    }
    backend.send(&["note", "3", "--delay", "1h"]);
    let purge = backend.run(&["purge", "default"]);
    assert_eq!(purge.wait().code(), Some(2), "{purge}");
    purge.wait_for_line("Delete 3 messages of queue default (2 ready, 1 delayed)?");
    assert_eq!(backend.json(&["queues"])["queues"][0]["ready"], json!(2));

    assert_eq!(backend.json(&["purge", "default", "--yes"]), json!({ "queue": "default", "deleted": 3 }));
    let queues = backend.json(&["queues"])["queues"].clone();
    assert_eq!((&queues[0]["ready"], &queues[0]["delayed"], &queues[0]["running"]), (&json!(0), &json!(0), &json!(1)));
    assert_eq!(backend.says(&["purge", "default"]), "Nothing waits in queue default.");
    backend.open("gate");
    worker.wait_for_line("done in");
    let is_gone = || (backend.json(&["queues"])["queues"][0]["running"] == 0).then_some(());
    assert!(eventually(PATIENCE, is_gone).is_some(), "what ran has ended as usual");
}
