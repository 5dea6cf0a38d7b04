//! `result`: what is kept of what an actor returned, and why nothing is.

use crate::backend::{Backend, short};
use serde_json::{Value, json};
use tests::process::{PATIENCE, Process, eventually};

on_each_store![what_is_kept_is_found_by_the_whole_id, where_nothing_is_kept_it_says_why,];

fn what_is_kept_is_found_by_the_whole_id(backend: &Backend) {
    let (even, odd) = (backend.send(&["halve", "8"]), backend.send(&["halve", "7"]));
    assert_eq!(backend.asks(&["result", &even]), (json!({ "results": [] }), 1));
    let _worker = backend.worker(1);
    let result = |id: &str| kept(backend, id);
    let (even_result, odd_result) = (result(&even), result(&odd));
    let names = |result: &Value| ["message_id", "actor", "queue"].map(|name| result[name].clone());
    assert_eq!(names(&even_result), [json!(even), json!("halve"), json!("mail")]);
    assert_eq!(even_result["value"], 4);
    assert_eq!(odd_result["failed"], json!({ "type": "String", "message": "7 is odd" }));
    assert_eq!(even_result["key"].as_str().map(str::len), Some(32), "{even_result:#}");

    let said = backend.says(&["result", &even]);
    for (name, value) in [("id", &*even), ("actor", "halve"), ("value", "4")] {
        let is_said = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.trim_start() == value);
        assert!(said.lines().any(is_said), "{name}: {value}\n{said}");
    }
    // A dead letter is still somewhere, so the start of its id tells the rest.
    assert!(backend.says(&["result", short(&odd)]).contains("String: 7 is odd"));
    refused(backend, short(&even)).wait_for_line("one that has ended is found by its whole id");
}

fn where_nothing_is_kept_it_says_why(backend: &Backend) {
    let id = backend.send(&["halve", "8", "--option", "result_ttl=1"]);
    refused(backend, short(&id)).wait_for_line("nothing is kept of halve(8) yet: it waits because no worker is alive");
    let note = backend.send(&["note", "1", "--delay", "1h"]);
    let said = refused(backend, &note);
    said.wait_for_line("nothing will be kept of note(1): neither it nor its actor says `store_results = true`");
    let _worker = backend.worker(1);
    let gone = format!("nothing is kept of a message {id} to ");
    let is_gone = || refused_or_kept(backend, &id).lines().iter().any(|line| line.contains(&gone)).then_some(());
    assert!(eventually(PATIENCE, is_gone).is_some(), "{}", refused_or_kept(backend, &id));
}

/// What is kept of a message, once something is.
fn kept(backend: &Backend, id: &str) -> Value {
    let look = || Some(backend.asks(&["result", id])).filter(|(_, code)| *code == 0);
    let (json, _) = eventually(PATIENCE, look).unwrap_or_else(|| panic!("nothing is kept of {id}"));
    json["results"][0].clone()
}

fn refused_or_kept(backend: &Backend, id: &str) -> Process {
    backend.run(&["result", id])
}

/// What the command says that finds nothing.
fn refused(backend: &Backend, id: &str) -> Process {
    let process = refused_or_kept(backend, id);
    assert_eq!(process.ended().and_then(|status| status.code()), Some(1), "{process}");
    process
}
