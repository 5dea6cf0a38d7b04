//! The table of what every store promises: made from the names of the conformance suite, whose tests hold each of them.

use common::conformance::PROMISES;
use std::{fmt::Write as _, fs};
use tests::{evidence::hold, workspace};

/// Where the table is.
const TABLE: &str = "common/PROMISES.rst";

/// The stores, and the file that runs the suite on each.
const STORES: [(&str, &str); 3] = [
    ("memory", "common/tests/memory_store.rs"),
    ("SQLite", "common/tests/sqlite_store.rs"),
    ("Redis", "tests/tests/redis_conformance.rs"),
];

/// Where a promise is held by one store in some cases only: promise, store, and what the case is.
const LIMITS: [(&str, &str, &str); 4] = [
    (
        "lower_priorities_are_fetched_first",
        "Redis",
        "while a Rust worker of the queue lives. Without one, what has a priority joins the others: below 0 at the head, above 0 at \
         the end. Python's workers know of no priority, and see what has one only after a minute without a Rust worker.",
    ),
    (
        "a_dead_workers_messages_come_back_to_the_head",
        "Redis",
        "to the head of the whole queue, before what has a priority above 0 and after what has one below, whatever their own. A \
         worker that Python takes for dead (after a minute) loses them to the end of the queue instead, and its death is not counted.",
    ),
    ("nothing_is_fetched_from_a_paused_queue", "Redis", "by Rust's workers. Python's know of no pause."),
    (
        "a_dead_letter_keeps_body_and_reason",
        "Redis",
        "once for a message that is sent again after its death and dies as the very same one. Python notes no reason, and its \
         letter takes the place of one of the same name.",
    ),
];

#[test]
fn the_table_of_promises_is_that_of_the_suite() {
    hold(TABLE, &table());
}

#[test]
fn every_store_of_the_table_runs_the_suite() {
    for (store, file) in STORES {
        let source = fs::read_to_string(workspace::root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            source.contains("conformance_suite!(fixture)"),
            "{file} does not run the suite, so {store} promises nothing"
        );
    }
}

#[test]
fn every_limit_is_that_of_a_promise_and_a_store() {
    for (promise, store, _) in LIMITS {
        assert!(PROMISES.contains(&promise), "no promise is called {promise}");
        assert!(STORES.iter().any(|(known, _)| *known == store), "no store is called {store}");
    }
}

fn table() -> String {
    let mut text = String::from(
        "Promises by store\n=================\n\nEach row is a test of ``common::conformance``, and runs on every store: ``conformance_suite!`` \
         makes the\ntests, for somebody's own store as well. This file is written from their names (``UPDATE_NOTES=1``).\n\n\
         .. list-table::\n   :header-rows: 1\n\n   * - promise\n",
    );
    for (store, _) in STORES {
        let _ = writeln!(text, "     - {store}");
    }
    for promise in PROMISES {
        let _ = writeln!(text, "   * - {}", sentence(promise));
        for (store, _) in STORES {
            let limit = LIMITS.iter().position(|(of, on, _)| of == promise && *on == store);
            let _ = writeln!(text, "     - held{}", limit.map_or(String::new(), |limit| format!(" [{}]_", limit + 1)));
        }
    }
    text.push('\n');
    for (number, (_, store, limit)) in LIMITS.iter().enumerate() {
        let _ = writeln!(text, ".. [{}] {store}: {limit}", number + 1);
    }
    text
}

/// The name of a test, as people write it.
fn sentence(promise: &str) -> String {
    let mut sentence = promise.replace('_', " ").replace("dead workers", "dead worker's");
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    sentence
}
