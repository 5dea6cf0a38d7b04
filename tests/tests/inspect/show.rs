//! `show`: where a message is, and why it waits. Every reason that can be brought about is.

use crate::backend::{Backend, short};
use serde_json::json;
use std::collections::BTreeSet;
use tests::process::{PATIENCE, eventually};

on_each_store![
    all_that_is_known_is_shown,
    it_waits_for_a_worker,
    it_waits_for_a_worker_of_its_queue,
    it_waits_for_its_time,
    it_waits_because_it_failed,
    it_waits_because_its_queue_is_paused,
    it_waits_behind_others,
    it_waits_for_the_heirs_of_a_killed_worker,
    it_does_not_wait_while_it_runs,
    it_waits_no_more_once_it_is_dead,
    the_start_of_an_id_may_be_that_of_several,
    what_has_ended_is_not_found,
];

fn all_that_is_known_is_shown(backend: &Backend) {
    let id = backend.send(&["note", "7", "--delay", "1h"]);
    let seen = backend.show(&id);
    assert_eq!(
        (&seen["message_id"], &seen["queue"], &seen["state"]),
        (&json!(id), &json!("default"), &json!("delayed"))
    );
    assert_eq!((&seen["actor"], &seen["call"]), (&json!("note"), &json!("note(7)")));
    assert_eq!((&seen["retries"], &seen["crashes"], &seen["last_error"]), (&json!(0), &json!(0), &json!(null)));
    assert_eq!(seen["then"], json!([]), "it is no step of a pipeline");
    let time = |key: &str| seen[key]["millis"].as_i64().unwrap();
    assert_eq!(time("due") - time("sent"), 3_600_000);
    assert!(seen["due"]["rfc3339"].as_str().unwrap().ends_with('Z'), "{seen:#}");
    assert!(seen["name"].as_str().unwrap().starts_with(&id), "{seen:#}");

    // By its first characters as well.
    let said = backend.says(&["show", short(&id)]);
    for (name, value) in [
        ("id", &*id),
        ("call", "note(7)"),
        ("queue", "default"),
        ("state", "delayed"),
        ("attempts", "none yet"),
        ("why", "it waits because it is not due yet, but in 59 min "),
    ] {
        let is_said = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(value));
        assert!(said.lines().any(is_said), "{name}: {value}\n{said}");
    }
    assert!(said.contains(", in 59 min "), "{said}");
}

fn it_waits_for_a_worker(backend: &Backend) {
    let ready = backend.send(&["note", "1"]);
    let no_worker = ("no_worker".to_owned(), "it waits because no worker is alive".to_owned());
    assert_eq!(backend.explain(&ready), no_worker);
    // Nobody moves what has come due.
    let due = backend.send(&["note", "2", "--delay", "50ms"]);
    let overdue = |(kind, text): &(String, String)| {
        kind == "no_worker" && text.starts_with("it waits because no worker is alive; it has been due for ")
    };
    let look = || Some(backend.explain(&due)).filter(overdue);
    assert!(eventually(PATIENCE, look).is_some(), "{:?}", backend.explain(&due));
}

fn it_waits_for_a_worker_of_its_queue(backend: &Backend) {
    let _elsewhere = backend.worker_of("e01_hello_world");
    let id = backend.send(&["mail", "1"]);
    let (kind, text) = backend.explain(&id);
    assert_eq!((&*kind, &*text), ("no_worker", "it waits because no live worker takes from queue mail"));
}

fn it_waits_for_its_time(backend: &Backend) {
    let _worker = backend.worker(1);
    let id = backend.send(&["note", "1", "--delay", "1h"]);
    let (kind, text) = backend.explain(&id);
    assert!(kind == "not_due" && text.starts_with("it waits because it is not due yet, but in 59 min"), "{text}");
    assert!(!text.contains(';'), "nothing else is in its way: {text}");
}

fn it_waits_because_it_failed(backend: &Backend) {
    let _worker = backend.worker(1);
    let id = backend.send(&["retry", "the line is dead\nat the other end"]);
    let seen = backend.wait_until(&id, "delayed");
    assert_eq!((&seen["retries"], &seen["explanation"]["kind"]), (&json!(1), &json!("retry")));
    let text = seen["explanation"]["text"].as_str().unwrap();
    assert!(
        text.starts_with("it waits because attempt 1 failed (the line is dead); attempt 2 is due in 1 h"),
        "{text}"
    );
    assert_eq!(seen["last_error"], "the line is dead\nat the other end");
    let said = backend.says(&["show", &id]);
    assert!(said.contains("1 done, 2 is next"), "{said}");
    assert!(said.contains("last error  the line is dead\n            at the other end"), "{said}");
}

fn it_waits_because_its_queue_is_paused(backend: &Backend) {
    let _worker = backend.worker(1);
    backend.says(&["pause", "default"]);
    let ready = backend.send(&["note", "1"]);
    let delayed = backend.send(&["note", "2", "--delay", "1h"]);
    assert_eq!(backend.explain(&ready), ("paused".to_owned(), "it waits because queue default is paused".to_owned()));
    assert!(backend.explain(&delayed).1.ends_with("; and queue default is paused"));
}

fn it_waits_behind_others(backend: &Backend) {
    let _worker = backend.worker(1);
    let first = backend.send(&["hold", &backend.gate("gate")]);
    backend.wait_until(&first, "running");
    let ids: Vec<String> = (0..6).map(|number| backend.send(&["note", &number.to_string()])).collect();
    let reasons: Vec<(String, String)> = ids.iter().map(|id| backend.explain(id)).collect();
    let kinds: BTreeSet<&str> = reasons.iter().map(|(kind, _)| &**kind).collect();
    // The first ones the worker has fetched already.
    assert_eq!(kinds, BTreeSet::from(["behind", "next", "running"]), "{reasons:?}");
    let texts: Vec<&str> = reasons.iter().map(|(_, text)| &**text).collect();
    let next = "it waits because the workers are busy: it is the next one that a free slot takes";
    let at = texts.iter().position(|text| *text == next).expect("a next one");
    assert_eq!(texts[at + 1], "it waits because 1 message goes before it");
    assert_eq!(texts[at + 2], "it waits because 2 messages go before it");
    backend.open("gate");
}

fn it_waits_for_the_heirs_of_a_killed_worker(backend: &Backend) {
    let id = backend.send(&["hold", &backend.gate("never")]);
    // The first death only marks it.
    for death in 1..=3 {
        let worker = backend.worker(1);
        worker.wait_for_line("attempt 1 starts");
        worker.kill();
        let look = || Some(backend.explain(&id)).filter(|(kind, _)| kind == "silent");
        let (_, text) = eventually(PATIENCE, look).expect("nobody else is there");
        assert!(text.contains(", which holds it, has been silent for "), "{text}");
        assert!(text.ends_with("no other worker is alive to take over"), "death {death}: {text}");
    }
    // Two deaths count, and it is suspect.
    let third = backend.worker(1);
    third.wait_for_line("attempt 1 starts");
    let (kind, text) = backend.explain(&id);
    assert_eq!(kind, "running");
    assert!(text.starts_with("it does not wait: worker "), "{text}");
    assert!(text.ends_with(", as 2 workers died while they ran it"), "{text}");
    assert_eq!(backend.show(&id)["crashes"], json!(2));
}

fn it_does_not_wait_while_it_runs(backend: &Backend) {
    let _worker = backend.worker(1);
    let id = backend.send(&["deaf", &backend.gate("gate")]);
    let seen = backend.wait_until(&id, "running");
    let worker = seen["worker"].as_str().unwrap();
    // Whether it runs, and for how long, is told once it has outlasted a beat.
    let begins = format!("it does not wait: worker {} ", short(worker));
    let text = seen["explanation"]["text"].as_str().unwrap();
    let rest = text.strip_prefix(&begins).unwrap_or_default();
    assert!(rest == "runs it, or is about to" || rest.starts_with("has run it for "), "{text}");
    let has_run = || Some(backend.explain(&id).1).filter(|text| text.starts_with(&format!("{begins}has run it for ")));
    assert!(eventually(PATIENCE, has_run).is_some(), "{:?}", backend.explain(&id));
    backend.says(&["cancel", &id]);
    let (kind, text) = backend.explain(&id);
    let expected = format!("it is cancelled: worker {} is told, and has not ended it yet", short(worker));
    assert_eq!((kind, text), ("cancelled".to_owned(), expected));
    backend.open("gate");
}

fn it_waits_no_more_once_it_is_dead(backend: &Backend) {
    let _worker = backend.worker(1);
    let id = backend.send(&["fail", "17 is not allowed"]);
    let seen = backend.wait_until(&id, "dead");
    assert_eq!(seen["explanation"]["kind"], "dead");
    let text = seen["explanation"]["text"].as_str().unwrap();
    assert!(text.starts_with("it waits no more: it died "), "{text}");
    assert!(text.ends_with(" ago (17 is not allowed), and is kept for 6 d 23 h"), "{text}");
    assert_eq!((&seen["reason"], &seen["last_error"]), (&json!("17 is not allowed"), &json!("17 is not allowed")));
}

fn the_start_of_an_id_may_be_that_of_several(backend: &Backend) {
    // There are sixteen digits to begin with.
    let ids: Vec<String> = (0..17).map(|number| backend.send(&["note", &number.to_string()])).collect();
    let start = ids.iter().map(|id| &id[..1]).find(|start| ids.iter().filter(|id| id.starts_with(start)).count() > 1);
    let start = start.unwrap();
    let alike: Vec<&String> = ids.iter().filter(|id| id.starts_with(start)).collect();
    let said = backend.says(&["show", start]);
    assert!(alike.iter().all(|id| said.contains(&format!("{id}  ready  default  note("))), "{said}");
    assert!(said.contains(&format!("{} messages have an id that starts so", alike.len())), "{said}");
    assert_eq!(backend.json(&["show", start])["messages"].as_array().unwrap().len(), alike.len());
    // What moves messages has to be told which one.
    let cancel = backend.run(&["cancel", start]);
    assert_eq!(cancel.wait().code(), Some(2), "{cancel}");
    cancel.wait_for_line("which one?");
    cancel.wait_for_line(alike[0]);
    assert_eq!(backend.json(&["queues"])["queues"][0]["ready"], json!(17));
}

fn what_has_ended_is_not_found(backend: &Backend) {
    let worker = backend.worker(1);
    let id = backend.send(&["note", "1"]);
    worker.wait_for_line("done in");
    let look = || Some(backend.asks(&["show", &id])).filter(|(_, code)| *code == 1);
    let (json, _) = eventually(PATIENCE, look).expect("it has ended");
    assert_eq!(json, json!({ "messages": [] }));
    let show = backend.run(&["show", &id]);
    assert_eq!(show.wait().code(), Some(1), "{show}");
    show.wait_for_line(
        "it has ended, or it is on another broker or in another namespace; --deep looks into every message",
    );
    assert!(show.stdout().is_empty(), "{show}");
}
