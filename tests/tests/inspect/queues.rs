//! `queues`: what is where, and who is alive.

use crate::backend::{Backend, short};
use serde_json::json;
use tests::process::{PATIENCE, eventually};

on_each_store![
    nothing_is_shown_where_nothing_is,
    every_place_is_counted_and_workers_show_what_they_hold,
    a_killed_worker_is_shown_as_silent,
    no_more_is_shown_than_was_asked_for,
];

fn nothing_is_shown_where_nothing_is(backend: &Backend) {
    let empty = json!({ "queues": [], "more_queues": false, "workers": [], "more_workers": false });
    assert_eq!(backend.json(&["queues"]), empty);
    let said = backend.says(&["queues"]);
    assert!(said.contains("No queue holds anything."), "{said}");
    assert!(said.contains("to start one: cargo run -p looked_at -- worker"), "{said}");
}

fn every_place_is_counted_and_workers_show_what_they_hold(backend: &Backend) {
    let worker = backend.worker(1);
    let dead = backend.send(&["fail", "no"]);
    backend.wait_until(&dead, "dead");
    let held = backend.send(&["hold", &backend.gate("never")]);
    backend.wait_until(&held, "running");
    backend.send(&["mail", "1", "--delay", "1h"]);
    backend.says(&["pause", "mail"]);
    backend.send(&["mail", "2"]);

    let seen = backend.json(&["queues"]);
    let queue = |name: &str, ready, delayed, running, dead, paused| json!({ "name": name, "ready": ready, "delayed": delayed, "running": running, "dead": dead, "paused": paused });
    let queues = json!([queue("default", 0, 0, 1, 1, false), queue("mail", 1, 1, 0, 0, true)]);
    assert_eq!(seen["queues"], queues);
    let workers = seen["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 1, "{seen:#}");
    let shown = &workers[0];
    assert_eq!((&shown["alive"], &shown["python"]), (&json!(true), &json!(false)));
    assert_eq!(shown["queues"], json!(["default", "mail"]));
    let holds = shown["claims"].as_array().unwrap();
    assert_eq!(holds.len(), 1, "{seen:#}");
    assert_eq!(
        (&holds[0]["queue"], &holds[0]["message_id"], &holds[0]["actor"]),
        (&json!("default"), &json!(held), &json!("hold"))
    );

    let said = backend.says(&["queues"]);
    for line in ["QUEUE    READY  DELAYED  RUNNING  DEAD", "default      0        0        1     1", "mail         1"] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(said.contains("paused") && said.contains(&format!("hold {}", short(&held))), "{said}");
    assert!(worker.ended().is_none());
}

fn a_killed_worker_is_shown_as_silent(backend: &Backend) {
    let worker = backend.worker(1);
    let held = backend.send(&["hold", &backend.gate("never")]);
    backend.wait_until(&held, "running");
    worker.kill();
    let look = || Some(backend.json(&["queues"])).filter(|seen| seen["workers"][0]["alive"] == false);
    let seen = eventually(PATIENCE, look).expect("a silent worker");
    assert_eq!(seen["workers"][0]["claims"][0]["message_id"], json!(held), "{seen:#}");
    assert!(backend.says(&["queues"]).contains("silent for "));
}

fn no_more_is_shown_than_was_asked_for(backend: &Backend) {
    backend.send(&["note", "1"]);
    backend.send(&["mail", "1"]);
    let seen = backend.json(&["queues", "--limit", "1"]);
    assert_eq!((&seen["queues"][0]["name"], &seen["more_queues"]), (&json!("default"), &json!(true)));
    assert!(backend.says(&["queues", "--limit", "1"]).contains("--limit N shows so many"));
    assert_eq!(backend.json(&["queues", "--limit", "2"])["more_queues"], json!(false));
}
