//! What is typed wrong, or asks where nobody answers.

use crate::backend::Backend;
use serde_json::json;
use std::net::TcpListener;

#[test]
fn a_broker_that_does_not_answer_has_a_code_of_its_own() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let nowhere = Backend { url: format!("redis://{free}"), ..Backend::sqlite() };
    for command in
        [&["queues"][..], &["show", "8f14e45f"], &["dead", "list"], &["cancel", "8f14e45f"], &["pause", "mail"]]
    {
        let process = nowhere.run(command);
        assert_eq!(process.wait().code(), Some(3), "{process}");
        assert!(process.stdout().is_empty(), "{process}");
    }
}

#[test]
fn a_store_that_ends_with_this_process_has_nothing_to_show() {
    let memory = Backend { url: "memory:".to_owned(), ..Backend::sqlite() };
    let process = memory.run(&["queues", "--json"]);
    assert_eq!(process.wait().code(), Some(2), "{process}");
    process.wait_for_line("it begins and ends with this process");
    assert!(process.stdout().is_empty(), "{process}");
}

#[test]
fn what_is_typed_wrong_is_refused() {
    let backend = Backend::sqlite();
    for wrong in [
        &["show"][..],
        &["show", ""],
        &["queues", "--limit", "0"],
        &["dead"],
        &["dead", "burn"],
        &["dead", "list", "--since", "1"],
        &["pause", "9 lives"],
        &["purge"],
    ] {
        let process = backend.run(wrong);
        assert_eq!(process.wait().code(), Some(2), "{process}");
        assert!(process.stdout().is_empty(), "{process}");
    }
}

#[test]
fn who_names_the_dead_letters_of_a_queue_deletes_nothing_beside_them() {
    let backend = Backend::sqlite();
    backend.send(&["mail", "1"]);
    for command in [&["purge", "mail.XQ", "--yes"][..], &["purge", "mail.DQ", "--yes"], &["pause", "mail.XQ"]] {
        let process = backend.run(command);
        assert_eq!(process.wait().code(), Some(2), "{process}");
        process.wait_for_line("that is a part of queue mail");
    }
    let queue = &backend.json(&["queues"])["queues"][0];
    assert_eq!((&queue["ready"], &queue["paused"]), (&json!(1), &json!(false)));
}
