//! `dead`: what died is listed, shown, sent once more, deleted.

use crate::backend::{Backend, short};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::process::{PATIENCE, eventually};

on_each_store![
    dead_letters_are_listed_by_filters,
    one_is_shown_with_its_reason,
    a_requeued_letter_keeps_its_id_and_forgets_its_retries,
    all_of_a_reason_are_sent_once_more_and_none_of_them_twice,
    a_letter_is_deleted_by_its_id,
    to_delete_all_asks_first,
    what_is_not_there_is_not_done,
];

/// Sends messages that fail, one after the other, and waits until they are dead.
fn failed<const N: usize>(backend: &Backend, reasons: [&str; N]) -> [String; N] {
    let worker = backend.worker(1);
    let ids = reasons.map(|reason| {
        let id = backend.send(&["fail", reason]);
        backend.wait_until(&id, "dead");
        id
    });
    worker.interrupt();
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
    ids
}

fn listed(backend: &Backend, filters: &[&str]) -> Vec<String> {
    let json = backend.json(&[&["dead", "list"], filters].concat());
    let letters = json["dead_letters"].as_array().unwrap();
    letters.iter().map(|letter| letter["message_id"].as_str().unwrap().to_owned()).collect()
}

fn dead_letters_are_listed_by_filters(backend: &Backend) {
    assert_eq!(backend.json(&["dead", "list"]), json!({ "dead_letters": [], "more": false }));
    assert_eq!(backend.says(&["dead", "list"]), "No dead letter.");
    let ids = failed(backend, ["the disk is full", "the line is dead", "the disk is gone"]);
    assert_eq!(listed(backend, &[]), ids);
    assert_eq!(listed(backend, &["--reason", "disk"]), [ids[0].clone(), ids[2].clone()]);
    assert_eq!(listed(backend, &["--queue", "default", "--actor", "fail", "--since", "1h"]), ids);
    for nothing in [["--queue", "mail"], ["--actor", "note"], ["--reason", "fire"], ["--since", "1ms"]] {
        assert!(listed(backend, &nothing).is_empty(), "{nothing:?}");
    }
    // The latest are what one wants to see.
    assert_eq!(listed(backend, &["--limit", "2"]), ids[1..]);
    assert_eq!(backend.json(&["dead", "list", "--limit", "2"])["more"], json!(true));
    let said = backend.says(&["dead", "list", "--limit", "2"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("ID        DIED      QUEUE    CALL"), "{said}");
    assert!(lines[1].starts_with(short(&ids[1])) && lines[1].ends_with("the line is dead"), "{said}");
    assert!(lines[1].contains(r#"default  fail("the line is dead")"#), "{said}");
    assert_eq!(lines.last(), Some(&"There are older ones: --limit N shows so many."));
}

fn one_is_shown_with_its_reason(backend: &Backend) {
    let [id, _] = failed(backend, ["the disk is full", "the line is dead"]);
    let json = backend.json(&["dead", "show", short(&id)]);
    let letter = &json["dead_letters"][0];
    assert_eq!((&letter["message_id"], &letter["reason"]), (&json!(id), &json!("the disk is full")));
    let time = |key: &str| letter[key]["millis"].as_i64().unwrap();
    assert_eq!(time("kept_until") - time("died"), 7 * 24 * 3_600_000);
    let said = backend.says(&["dead", "show", &id]);
    assert!(said.contains("last error  the disk is full") && said.contains("dead since "), "{said}");
}

fn a_requeued_letter_keeps_its_id_and_forgets_its_retries(backend: &Backend) {
    let worker = backend.worker(1);
    let id = backend.send(&["retry", "no"]);
    let waiting = backend.wait_until(&id, "delayed");
    assert_eq!(waiting["retries"], json!(1));
    worker.interrupt();
    assert_eq!(worker.wait().code(), Some(0), "{worker}");
    backend.says(&["cancel", &id]);
    let dead = backend.show(&id);
    assert_eq!(
        (&dead["state"], &dead["retries"], &dead["reason"]),
        (&json!("dead"), &json!(1), &json!("cancelled by hand"))
    );

    let said = backend.says(&["dead", "requeue", short(&id)]);
    assert!(said.starts_with(&format!("{}  retry(\"no\")\n", short(&id))), "{said}");
    assert!(said.ends_with("1 dead letter is ready again: same id, new name on the wire, no retries yet."), "{said}");
    let ready = backend.show(&id);
    assert_eq!((&ready["state"], &ready["retries"], &ready["last_error"]), (&json!("ready"), &json!(0), &json!(null)));
    assert_ne!(ready["name"], dead["name"]);

    let again = backend.worker(1);
    again.wait_for("its first attempt", |line| line.contains(short(&id)) && line.contains("attempt 1 starts"));
}

fn all_of_a_reason_are_sent_once_more_and_none_of_them_twice(backend: &Backend) {
    let ids = failed(backend, ["the disk is full", "the line is dead", "the disk is gone"]);
    // They fail again at once, and are dead letters once more while this goes on.
    let worker = backend.worker(1);
    let json = backend.json(&["dead", "requeue", "--all", "--reason", "disk"]);
    let requeued = json["requeued"].as_array().unwrap();
    let told: Vec<(&Value, &Value)> =
        requeued.iter().map(|letter| (&letter["message_id"], &letter["requeued"])).collect();
    assert_eq!(told, [(&json!(ids[0]), &json!(true)), (&json!(ids[2]), &json!(true))]);
    let runs = || worker.lines().iter().filter(|line| line.contains("gave up after 1 attempt")).count();
    let is_over = || (runs() == 2 && listed(backend, &[]).len() == 3).then_some(());
    eventually(PATIENCE, is_over).unwrap_or_else(|| panic!("two run again\n{worker}"));
    let now = listed(backend, &[]);
    assert_eq!(now[0], ids[1], "the one that was left alone is the oldest");
    // The others may have died in the same millisecond, and then in no order.
    let sorted = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(sorted(&now[1..]), sorted(&[ids[0].clone(), ids[2].clone()]));
}

fn a_letter_is_deleted_by_its_id(backend: &Backend) {
    let [first, second, third] = failed(backend, ["one", "two", "three"]);
    assert_eq!(
        backend.says(&["dead", "delete", &first, short(&third)]).lines().last(),
        Some("2 dead letters are deleted.")
    );
    assert_eq!(listed(backend, &[]), [second]);
}

fn to_delete_all_asks_first(backend: &Backend) {
    let ids = failed(backend, ["the disk is full", "the line is dead"]);
    let delete = backend.run(&["dead", "delete", "--all"]);
    assert_eq!(delete.wait().code(), Some(2), "{delete}");
    delete.wait_for_line("Delete 2 dead letters for good? Nobody is there to answer; --yes is an answer");
    assert_eq!(listed(backend, &[]), ids);
    let json = backend.json(&["dead", "delete", "--all", "--reason", "disk", "--yes"]);
    assert_eq!((&json["deleted"][0]["message_id"], &json["deleted"][0]["deleted"]), (&json!(ids[0]), &json!(true)));
    assert_eq!(listed(backend, &[]), ids[1..]);
}

fn what_is_not_there_is_not_done(backend: &Backend) {
    let [id] = failed(backend, ["no"]);
    for action in ["requeue", "delete"] {
        let process = backend.run(&["dead", action, "ffffffffffff"]);
        assert_eq!(process.wait().code(), Some(1), "{process}");
        process.wait_for_line("no dead letter here has the id ffffffffffff");
        let process = backend.run(&["dead", action, "--all", "--actor", "nobody"]);
        assert_eq!(process.wait().code(), Some(1), "{process}");
        process.wait_for_line("no dead letter is let through by these filters");
        // Ids and filters say two things.
        assert_eq!(backend.run(&["dead", action, &id, "--actor", "fail"]).wait().code(), Some(2));
        assert_eq!(backend.run(&["dead", action]).wait().code(), Some(2));
    }
    // One of two is a half success, which is none.
    let (json, code) = backend.asks(&["dead", "requeue", &id, "ffffffffffff"]);
    assert_eq!((json["requeued"].as_array().map(Vec::len), code), (Some(1), 1), "{json:#}");
}
