//! What `#[actor]` says about a function, and how it is sent.

use std::time::Duration;

use common::actor;
use common::actor::{Actor, Declaration, MaxRetries, RetryOptions, Target, actors};

/// Adds two numbers,
/// one to the other.
///
/// It is quick.
#[actor]
fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[actor]
fn fetch(text: String) -> usize {
    text.len()
}

mod admin {
    use super::actor;

    #[actor(name = "tell", queue = "admin.high")]
    pub(super) fn tell_admin(text: String) -> usize {
        text.len()
    }
}

#[actor(
    name = "work-hard",
    queue = "mail",
    priority = -5,
    max_retries = 5,
    min_backoff = "0s",
    max_backoff = "2m",
    on_retry_exhausted = admin::tell_admin,
)]
fn work() {}

#[test]
fn options_are_declared() {
    let Declaration { name, queue, priority, retries, .. } = work::DECLARATION;
    assert_eq!((*name, *queue, *priority), ("work-hard", "mail", -5));
    assert_eq!(
        *retries,
        RetryOptions {
            max_retries: Some(MaxRetries::AtMost(5)),
            min_backoff: Some(Duration::ZERO),
            max_backoff: Some(Duration::from_secs(120)),
            on_retry_exhausted: Some(Target { name: "tell", queue: "admin.high", priority: 0 }),
        }
    );
}

#[test]
fn without_options_the_function_says_it_all() {
    let add = add::DECLARATION;
    assert_eq!((add.name, add.queue, add.priority), ("add", "default", 0));
    assert_eq!(add.retries, RetryOptions::default());
    assert_eq!(add.about, "Adds two numbers, one to the other.");
    let (file, line) = add.place.rsplit_once(':').unwrap();
    assert!(file.ends_with("actor_declaration.rs"), "{file}");
    assert!(line.parse::<u32>().unwrap() > 1, "{line}");
}

#[test]
fn actors_are_listed_by_name() {
    let names: Vec<_> = actors![add, admin::tell_admin, work].iter().map(|declaration| declaration.name).collect();
    assert_eq!(names, ["add", "tell", "work-hard"]);
}

/// Compiles only if a text may be whatever becomes one, and a number stays a `u32`.
#[test]
fn a_string_takes_what_can_become_one() {
    drop(fetch::message("x"));
    drop(fetch::message("x".to_owned()));
    drop(add::message(1, 2));
}

/// Compiles only if what `send` waits for may change threads.
#[expect(dead_code, reason = "its type is the test")]
fn the_future_of_send_may_change_threads(broker: &common::broker::Broker) -> impl Send {
    fetch::send(broker, "x")
}
