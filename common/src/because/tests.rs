use super::*;
use crate::message::{Entries, MessageId, Raw};
use crate::store::Counts;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn found(location: Location) -> Sighting {
    let mut message = Message {
        queue_name: QueueName::default(),
        actor_name: "count_to".into(),
        args: vec![Raw::from(17_u32)],
        kwargs: Entries::default(),
        options: Entries::default(),
        message_id: MessageId::random(),
        message_timestamp: NOW,
    };
    message.options.set(option::RETRIES, Raw::from(2_u32));
    Sighting { queue: QueueName::default(), name: "m".to_owned(), bytes: message.encode(), crashes: 0, location }
}

fn worker(queues: Option<&[&str]>, silent: Duration, is_silent: bool) -> WorkerSight {
    WorkerSight {
        id: "0123456789abcdef".to_owned(),
        queues: queues.map(|queues| queues.iter().map(|name| QueueName::canonical(name)).collect()),
        silent_for: silent,
        is_silent,
        holds: Vec::new(),
    }
}

fn alive() -> WorkerSight {
    worker(Some(&["default"]), Duration::from_millis(300), false)
}

fn python() -> WorkerSight {
    worker(None, Duration::from_millis(300), false)
}

fn said(found: &Sighting, paused: bool, workers: &[WorkerSight]) -> String {
    let queue = QueueSight { name: found.queue.clone(), counts: Counts::default(), paused };
    Because::of(Facts { found, queue: Some(&queue), workers, now: NOW }).to_string()
}

fn ready(ahead: Option<usize>) -> Sighting {
    found(Location::Ready { ahead })
}

#[test]
fn a_paused_queue_comes_first() {
    assert_eq!(said(&ready(Some(3)), true, &[alive()]), "it waits because queue default is paused");
}

#[test]
fn workers_that_are_missing_are_told() {
    assert_eq!(said(&ready(Some(0)), false, &[]), "it waits because no worker is alive");
    let silent = worker(Some(&["default"]), Duration::from_secs(9), true);
    assert_eq!(said(&ready(Some(0)), false, &[silent]), "it waits because no worker is alive");
    let other = worker(Some(&["mail"]), Duration::ZERO, false);
    assert_eq!(said(&ready(Some(0)), false, &[other]), "it waits because no live worker takes from queue default");
}

#[test]
fn what_goes_first_is_counted() {
    let workers = [alive()];
    assert_eq!(said(&ready(Some(0)), false, &workers), "it waits because no slot is free yet; it is the next one");
    assert_eq!(said(&ready(Some(1)), false, &workers), "it waits because 1 message goes before it");
    assert_eq!(said(&ready(Some(12)), false, &[python()]), "it waits because 12 messages go before it");
    assert_eq!(said(&ready(None), false, &workers), "it waits because more than 1000 messages go before it");
}

#[test]
fn a_suspect_runs_alone() {
    let suspect = Sighting { crashes: 2, ..ready(Some(0)) };
    assert_eq!(
        said(&suspect, false, &[alive()]),
        "it waits because 2 workers died with it: it runs once its worker does nothing else"
    );
}

#[test]
fn delays_and_retries_tell_how_long() {
    let delayed = found(Location::Delayed { due: NOW + Duration::from_millis(4_210) });
    assert_eq!(said(&delayed, false, &[]), "it waits because it is due in 4.2 s");
    let mut retry = found(Location::Delayed { due: NOW + Duration::from_secs(600) });
    let mut message = Message::decode(&retry.bytes, NOW).expect("a message");
    message.options.set(option::TRACEBACK, Raw::from("17 is not allowed"));
    retry.bytes = message.encode();
    assert_eq!(said(&retry, false, &[alive()]), "it waits because attempt 2 failed; the next one is due in 10 min");
}

#[test]
fn what_is_due_waits_for_a_worker() {
    let due = found(Location::Delayed { due: NOW });
    assert_eq!(said(&due, false, &[]), "it waits because it is due, and no worker is alive to take it");
    assert_eq!(said(&due, false, &[alive()]), "it waits because no slot is free yet; it is the next one");
}

#[test]
fn whoever_has_it_is_named() {
    let claimed = |cancelled| found(Location::Claimed { worker: "0123456789abcdef".to_owned(), cancelled });
    assert_eq!(said(&claimed(false), false, &[alive()]), "it does not wait: worker 01234567 runs it, or is about to");
    assert_eq!(
        said(&claimed(false), false, &[python()]),
        "it does not wait: Python's worker 01234567 runs it, or is about to"
    );
    let silent = worker(Some(&["default"]), Duration::from_millis(3_400), true);
    assert_eq!(
        said(&claimed(false), false, &[silent]),
        "it waits because worker 01234567, which has it, gives no sign of life for 3.4 s; after 3.3 s others take over"
    );
    let silent = worker(None, Duration::from_secs(61), true);
    assert_eq!(
        said(&claimed(false), false, &[silent]),
        "it waits because worker 01234567, which has it, gives no sign of life for 61 s; after 60 s others take over"
    );
    assert_eq!(
        said(&claimed(true), false, &[alive()]),
        "it waits because its run has not ended; worker 01234567 was told that it is cancelled, and it is not run again"
    );
    assert_eq!(
        said(&claimed(true), false, &[python()]),
        "it waits because its run has not ended; it is cancelled, but Python's worker 01234567 does not hear of that"
    );
}

#[test]
fn a_dead_letter_tells_why_and_for_how_long() {
    let dead = |reason| found(Location::Dead { died: NOW, reason });
    assert_eq!(
        said(&dead(Some("17 is not allowed".to_owned())), false, &[]),
        "it does not wait: it is a dead letter (17 is not allowed), kept for another 7 days"
    );
    assert_eq!(said(&dead(None), false, &[]), "it does not wait: it is a dead letter, kept for another 7 days");
}
