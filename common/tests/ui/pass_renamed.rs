//! A program that has a `common` of its own, and depends on the library under another name.
#![deny(warnings)]

// What cargo does for `tasks = { package = "common", … }`: only `tasks` leads to the library. Whatever still names it
// `::common` finds this program instead, which has nothing of what it looks for.
extern crate common as tasks;
extern crate self as common;

use std::sync::Mutex;

use tasks::testing::TestBroker;
use tasks::{Context, Retry, actor, actors};

mod reexported {
    pub(crate) use tasks;
}

type Log = Mutex<Vec<String>>;

/// Takes something of every kind, and all that an attribute can say.
#[actor(
    crate = "tasks",
    queue = "mail",
    max_retries = 1,
    min_backoff = "0s",
    max_backoff = "1m",
    throws = _,
    retry_when = |_, _| true,
    on_success = hear,
    on_failure = inner::hear_failure,
    on_retry_exhausted = inner::hear_failure,
    store_results = true,
    result_ttl = "1m"
)]
async fn greet(log: &Log, context: &Context, name: String, times: Option<u32>) -> Result<u32, Retry> {
    log.lock().unwrap().push(format!("{name}, {times:?}, {}", context.attempt()));
    times.ok_or(Retry::after(std::time::Duration::ZERO))
}

#[actor(crate = "::tasks")]
fn hear(_message: String, _returned: u32) {}

mod inner {
    use super::reexported::tasks::actor;

    #[actor(crate = "super::reexported::tasks")]
    pub(super) fn hear_failure(_message: String, _failure: String) {}
}

/// A macro that writes actors, and names the library as only a macro can.
macro_rules! actor_of {
    ($name:ident) => {
        #[$crate::reexported::tasks::actor(crate = $crate::reexported::tasks)]
        fn $name(n: u32) -> u32 {
            n
        }
    };
}

actor_of!(by_a_macro);

#[actor(crate = "crate::reexported::tasks")]
fn note(log: &Log, text: String) {
    log.lock().unwrap().push(text);
}

fn main() {
    let broker = TestBroker::new();
    note::send_blocking(&broker, "noted").unwrap();
    by_a_macro::send_blocking(&broker, 3).unwrap();
    assert_eq!(note::sent(&broker), [("noted".to_owned(),)]);
    assert_eq!(by_a_macro::sent(&broker), [(3,)]);
    drop(greet::message("ada", None));
    assert_eq!(actors![greet, hear, inner::hear_failure, note, by_a_macro].len(), 5);
}
