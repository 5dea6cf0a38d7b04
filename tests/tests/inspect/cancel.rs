//! `cancel`: it says where the message was, and what becomes of it.

use crate::backend::{Backend, short};
use serde_json::json;
use tests::process::{PATIENCE, eventually};

on_each_store![
    what_is_ready_becomes_a_dead_letter,
    what_is_delayed_becomes_a_dead_letter,
    what_runs_is_told_and_not_retried,
    what_waits_in_the_hands_of_a_worker_is_not_run,
    what_is_over_cannot_be_cancelled,
];

fn what_is_ready_becomes_a_dead_letter(backend: &Backend) {
    let id = backend.send(&["note", "1"]);
    let said = backend.says(&["cancel", short(&id)]);
    assert_eq!(said, format!("{}  note(1) was ready; it is a dead letter now, in default.XQ", short(&id)));
    let seen = backend.show(&id);
    assert_eq!((&seen["state"], &seen["reason"]), (&json!("dead"), &json!("cancelled by hand")));
}

fn what_is_delayed_becomes_a_dead_letter(backend: &Backend) {
    let _worker = backend.worker(1);
    let id = backend.send(&["mail", "1", "--delay", "1h"]);
    let json = backend.json(&["cancel", &id]);
    let cancelled = &json["cancelled"][0];
    assert_eq!((&cancelled["message_id"], &cancelled["was"]), (&json!(id), &json!("delayed")));
    assert_eq!((&cancelled["queue"], &cancelled["worker"]), (&json!("mail"), &json!(null)));
    assert_eq!(backend.show(&id)["state"], json!("dead"));
}

fn what_runs_is_told_and_not_retried(backend: &Backend) {
    let worker = backend.worker(1);
    let id = backend.send(&["hold", &backend.gate("never")]);
    backend.wait_until(&id, "running");
    let said = backend.says(&["cancel", &id]);
    assert!(said.starts_with(&format!("{}  hold(", short(&id))), "{said}");
    assert!(said.contains(" is with worker "), "{said}");
    assert!(said.ends_with(", which hears of it within about a second; it is not run again"), "{said}");
    worker.wait_for_line("told to stop");
    let seen = backend.wait_until(&id, "dead");
    assert_eq!(seen["reason"], json!("cancelled while it ran: told to stop"));
}

fn what_waits_in_the_hands_of_a_worker_is_not_run(backend: &Backend) {
    let worker = backend.worker(1);
    let held = backend.send(&["hold", &backend.gate("gate")]);
    backend.wait_until(&held, "running");
    let waiting = backend.send(&["note", "1"]);
    backend.wait_until(&waiting, "running");
    assert_eq!(backend.json(&["cancel", &waiting])["cancelled"][0]["was"], json!("running"));
    let seen = backend.wait_until(&waiting, "dead");
    assert_eq!(seen["reason"], json!("cancelled by hand"));
    backend.open("gate");
    worker.wait_for_line("done in");
    assert!(!worker.lines().iter().any(|line| line.contains("noted 1")), "{worker}");
}

fn what_is_over_cannot_be_cancelled(backend: &Backend) {
    let worker = backend.worker(1);
    let dead = backend.send(&["fail", "17 is not allowed"]);
    backend.wait_until(&dead, "dead");
    let cancel = backend.run(&["cancel", &dead]);
    assert_eq!(cancel.wait().code(), Some(1), "{cancel}");
    cancel.wait_for_line(r#"fail("17 is not allowed") is a dead letter already: 17 is not allowed"#);

    let done = backend.send(&["note", "1"]);
    worker.wait_for_line("done in");
    let look = || Some(backend.asks(&["cancel", &done])).filter(|(_, code)| *code == 1);
    let (json, _) = eventually(PATIENCE, look).expect("it has ended");
    assert_eq!(json, json!({ "cancelled": [] }));
}
