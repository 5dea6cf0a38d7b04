use super::*;
use crate::message::{Raw, option};
use crate::store::{BEAT_INTERVAL, Claim, Counts};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn message(retries: u32, error: &str) -> Message {
    let mut message = Message::new(QueueName::default(), "count_to", [Raw::from(17_u32)], NOW);
    message.options.set(option::RETRIES, Raw::from(retries));
    if !error.is_empty() {
        message.options.set(option::TRACEBACK, Raw::from(error));
    }
    message
}

fn found(state: State) -> MessageInfo {
    let (queue, bytes) = (QueueName::default(), message(0, "").encode());
    MessageInfo { queue, name: "m".to_owned(), bytes, crashes: 0, state }
}

fn ready(ahead: Option<usize>) -> MessageInfo {
    found(State::Ready { ahead })
}

fn claimed(worker: &str, cancelled: bool) -> MessageInfo {
    found(State::Claimed { worker: worker.to_owned(), cancelled })
}

fn delayed(millis: i64) -> MessageInfo {
    found(State::Delayed { due: Timestamp::from_millis(NOW.as_millis() + millis) })
}

/// A live worker of queue `default` that is idle.
fn idle() -> WorkerInfo {
    WorkerInfo {
        id: "0123456789abcdef".to_owned(),
        queues: Some(vec![QueueName::default()]),
        silent_for: Duration::from_millis(300),
        is_silent: false,
        claims: Vec::new(),
    }
}

fn holding(worker: WorkerInfo) -> WorkerInfo {
    WorkerInfo { claims: vec![Claim { queue: QueueName::default(), id: "m".into() }], ..worker }
}

fn busy() -> WorkerInfo {
    holding(idle())
}

fn other(id: &str) -> WorkerInfo {
    WorkerInfo { id: id.to_owned(), ..idle() }
}

fn python() -> WorkerInfo {
    WorkerInfo { queues: None, ..idle() }
}

fn silent(worker: WorkerInfo, seconds: f64, is_silent: bool) -> WorkerInfo {
    WorkerInfo { silent_for: Duration::from_secs_f64(seconds), is_silent, ..worker }
}

fn judged(found: &MessageInfo, paused: bool, workers: &[WorkerInfo]) -> Explanation {
    let queue = QueueInfo { name: found.queue.clone(), counts: Counts::default(), paused };
    Explanation::of(Facts { found, queue: Some(&queue), workers, since: None, now: NOW })
}

#[track_caller]
fn says(found: &MessageInfo, paused: bool, workers: &[WorkerInfo], kind: &str, sentence: &str) {
    let explanation = judged(found, paused, workers);
    assert_eq!((explanation.kind(), explanation.to_string().as_str()), (kind, sentence));
}

#[test]
fn a_paused_queue_comes_first() {
    says(&ready(Some(3)), true, &[busy()], "paused", "it waits because queue default is paused");
    says(
        &ready(Some(3)),
        true,
        &[python()],
        "paused",
        "it waits because queue default is paused (Python's workers know of no pause, and may take it)",
    );
}

#[test]
fn workers_that_are_missing_are_told() {
    says(&ready(Some(0)), false, &[], "no_worker", "it waits because no worker is alive");
    says(&ready(Some(0)), false, &[silent(idle(), 9.0, true)], "no_worker", "it waits because no worker is alive");
    let elsewhere = WorkerInfo { queues: Some(vec![QueueName::canonical("mail")]), ..idle() };
    says(&ready(Some(0)), false, &[elsewhere], "no_worker", "it waits because no live worker takes from queue default");
}

#[test]
fn of_pythons_workers_nothing_is_claimed_that_they_do_not_show() {
    says(
        &ready(Some(0)),
        false,
        &[python()],
        "no_worker",
        "it waits because no worker of Rust takes from queue default, and Python's do not tell",
    );
    says(&ready(Some(2)), false, &[holding(python())], "behind", "it waits because 2 messages go before it");
}

#[test]
fn what_goes_first_is_counted() {
    says(&ready(Some(1)), false, &[busy()], "behind", "it waits because 1 message goes before it");
    says(&ready(Some(12)), false, &[busy()], "behind", "it waits because 12 messages go before it");
    says(&ready(None), false, &[busy()], "behind", "it waits because more than 1000 messages go before it");
}

#[test]
fn the_next_one_waits_for_a_slot() {
    says(
        &ready(Some(0)),
        false,
        &[busy()],
        "next",
        "it waits because the workers are busy: it is the next one that a free slot takes",
    );
    says(
        &ready(Some(0)),
        false,
        &[busy(), other("idle")],
        "fetching",
        "it waits because it has only just come: an idle worker is about to fetch it",
    );
}

#[test]
fn a_suspect_runs_beside_no_other_one() {
    let suspect = MessageInfo { crashes: 2, ..ready(Some(0)) };
    says(
        &suspect,
        false,
        &[idle()],
        "suspect",
        "it waits because 2 workers died while they ran it: it is the next one, for a worker that runs no other such message",
    );
    let suspect = MessageInfo { crashes: 2, ..claimed("0123456789abcdef", false) };
    says(
        &suspect,
        false,
        &[busy()],
        "running",
        "it does not wait: worker 01234567 runs it, or is about to, and no other such message beside it, as 2 workers died while they ran it",
    );
}

#[test]
fn what_is_not_due_tells_how_long_it_waits() {
    says(&delayed(4_210), false, &[idle()], "not_due", "it waits because it is not due yet, but in 4.2 s");
    says(
        &delayed(5_000),
        false,
        &[],
        "not_due",
        "it waits because it is not due yet, but in 5 s; and no worker is alive",
    );
    says(
        &delayed(5_000),
        true,
        &[idle()],
        "not_due",
        "it waits because it is not due yet, but in 5 s; and queue default is paused",
    );
}

#[test]
fn a_retry_tells_what_failed() {
    let retry = |error| MessageInfo { bytes: message(2, error).encode(), ..delayed(600_000) };
    says(
        &retry("17 is not allowed\ncaused by 3"),
        false,
        &[idle()],
        "retry",
        "it waits because attempt 2 failed (17 is not allowed); attempt 3 is due in 10 min",
    );
    says(
        &retry("Traceback (most recent call last):\n  File \"x.py\"\nValueError: 17\n"),
        false,
        &[idle()],
        "retry",
        "it waits because attempt 2 failed (ValueError: 17); attempt 3 is due in 10 min",
    );
    says(
        &retry(""),
        false,
        &[idle()],
        "retry",
        "it waits because attempt 2 asked for another one; attempt 3 is due in 10 min",
    );
}

#[test]
fn what_is_due_waits_for_a_worker() {
    says(&delayed(-3_000), false, &[], "no_worker", "it waits because no worker is alive; it has been due for 3 s");
    says(
        &delayed(-300),
        false,
        &[idle()],
        "overdue",
        "it waits because it came due only 300 ms ago: a worker is about to fetch it",
    );
}

#[test]
fn whoever_has_it_is_named() {
    let found = claimed("0123456789abcdef", false);
    says(&found, false, &[busy()], "running", "it does not wait: worker 01234567 runs it, or is about to");
    says(
        &found,
        false,
        &[holding(python())],
        "running",
        "it does not wait: Python's worker 01234567 runs it, or is about to",
    );
}

#[test]
fn how_long_it_has_run_is_told_where_that_is_known() {
    let (found, workers) = (claimed("0123456789abcdef", false), [busy()]);
    let since = Some(Timestamp::from_millis(NOW.as_millis() - 3_000));
    let explanation = Explanation::of(Facts { found: &found, queue: None, workers: &workers, since, now: NOW });
    assert_eq!(explanation.to_string(), "it does not wait: worker 01234567 has run it for 3 s");
}

#[test]
fn a_silent_worker_is_waited_for() {
    let found = claimed("0123456789abcdef", false);
    says(
        &found,
        false,
        &[silent(busy(), 2.5, false), other("survivor")],
        "silent",
        "it waits because worker 01234567, which holds it, has been silent for 2.5 s; unless it comes back others take over in about 2 s",
    );
    says(
        &found,
        false,
        &[silent(busy(), 9.0, true)],
        "silent",
        "it waits because worker 01234567, which holds it, has been silent for 9 s; no other worker is alive to take over",
    );
    says(
        &found,
        false,
        &[silent(holding(python()), 50.0, false), other("survivor")],
        "silent",
        "it waits because worker 01234567, which holds it, has been silent for 50 s; unless it comes back others take over in about 12 s",
    );
    let survivor = WorkerInfo { id: "python".to_owned(), ..python() };
    says(
        &found,
        false,
        &[silent(busy(), 9.0, true), survivor],
        "silent",
        "it waits because worker 01234567, which holds it, has been silent for 9 s; only Python's workers are there to take over, after a minute at the earliest",
    );
}

#[test]
fn a_worker_that_is_not_known_any_more_is_silent() {
    says(
        &claimed("0123456789abcdef", false),
        false,
        &[other("survivor")],
        "silent",
        "it waits because worker 01234567, which holds it, is not known any more; unless it comes back others take over in about 2 s",
    );
    says(
        &claimed("", false),
        false,
        &[],
        "silent",
        "it waits because the worker that holds it is not known any more; no other worker is alive to take over",
    );
}

#[test]
fn what_is_cancelled_waits_for_its_end() {
    let found = claimed("0123456789abcdef", true);
    says(&found, false, &[busy()], "cancelled", "it is cancelled: worker 01234567 is told, and has not ended it yet");
    says(
        &found,
        false,
        &[holding(python())],
        "cancelled",
        "it is cancelled, but Python's worker 01234567 holds it, and cannot be told",
    );
    says(
        &found,
        false,
        &[silent(busy(), 9.0, true)],
        "cancelled",
        "it is cancelled, and waits for its end because worker 01234567, which holds it, has been silent for 9 s; no other worker is alive to take over",
    );
}

#[test]
fn a_dead_letter_tells_why_and_for_how_long() {
    let dead = |reason: Option<&str>, millis: u64| {
        let died = Timestamp::from_millis(NOW.as_millis() - i64::try_from(millis).expect("a time"));
        found(State::Dead { died, reason: reason.map(str::to_owned) })
    };
    says(
        &dead(Some("17 is not allowed"), 200_000),
        false,
        &[],
        "dead",
        "it waits no more: it died 3 min 20 s ago (17 is not allowed), and is kept for 6 d 23 h",
    );
    let mut member = dead(None, 1_000);
    let options = r#"{"group_completion_uuid":"g","group_completion_callbacks":[{}]}"#;
    member.bytes =
        format!(r#"{{"queue_name":"q","actor_name":"a","args":[],"kwargs":{{}},"options":{options}}}"#).into_bytes();
    let open = "it waits no more: it died 1 s ago, and is kept for 6 d 23 h; its group g stays open until it is requeued and done";
    says(&member, false, &[], "dead", open);
    says(&dead(None, 1_000), false, &[], "dead", "it waits no more: it died 1 s ago, and is kept for 6 d 23 h");
    let ttl = u64::try_from(DEAD_LETTER_TTL.as_millis()).expect("a time");
    says(&dead(None, ttl + 1), false, &[], "dead", "it waits no more: it died 7 d ago, and is about to be deleted");
}

#[test]
fn a_beat_that_is_a_little_late_is_no_silence() {
    let late = silent(busy(), (BEAT_INTERVAL * 2).as_secs_f64() - 0.1, false);
    assert_eq!(judged(&claimed("0123456789abcdef", false), false, &[late]).kind(), "running");
}
