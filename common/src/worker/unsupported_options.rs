//! What a message's options ask for that is not done here, or that nobody can read.
//!
//! It runs all the same, with a warning.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tracing::warn;

use crate::actor::Declaration;
use crate::message::{Message, Raw, option};

/// What was said already: each of an actor and an option once.
#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<HashSet<(&'static str, Box<str>)>>);

impl Warnings {
    /// Says what of a message's options counts for nothing.
    pub(super) fn warn(&self, message: &Message, actor: &Declaration) {
        for (name, value) in message.options.iter() {
            let Some(problem) = problem(name, value) else { continue };
            let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if said.insert((actor.name, name.into())) {
                warn!(target: "common::run", "its option `{name}` {problem} (said once of {} and {name})", actor.name);
            }
        }
    }
}

/// What is wrong with an option; `None` for those that count, and those of others.
fn problem(name: &str, value: &Raw) -> Option<&'static str> {
    let counts = match name {
        option::THROWS => !value.is_truthy(),
        option::MAX_RETRIES
        | option::RETRIES
        | option::MIN_BACKOFF
        | option::MAX_BACKOFF
        | option::RESULT_TTL
        | option::DONE_TTL
        | option::MAX_AGE
        | option::TIME_LIMIT
        | option::PRIORITY => value.is_null() || value.number().is_some(),
        option::ON_SUCCESS | option::ON_FAILURE | option::ON_RETRY_EXHAUSTED => {
            !value.is_truthy() || value.read::<String>().is_ok()
        }
        _ => true,
    };
    if counts {
        return None;
    }
    Some(match name {
        option::THROWS => "is not honoured here: what its actor says counts",
        option::ON_SUCCESS | option::ON_FAILURE | option::ON_RETRY_EXHAUSTED => {
            "is not the name of an actor, so that what its actor says counts"
        }
        _ => "is no number, so that it counts as if it was not there",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_for_nothing_is_told_from_what_counts() {
        for (name, wrong, right) in [
            (option::MAX_AGE, "\"100\" []", "null 0 100 Infinity"),
            (option::TIME_LIMIT, "\"10m\"", "null 500 Infinity 1e400"),
            (option::THROWS, "[1]", "null false"),
            (option::MAX_RETRIES, "\"3\" NaN []", "null 3 -1 Infinity 3.0 1000000000000"),
            (option::RETRIES, "\"3\"", "3"),
            (option::MIN_BACKOFF, "{}", "15000 0.5"),
            (option::RESULT_TTL, "\"1h\"", "null 1e400"),
            (option::DONE_TTL, "\"1h\"", "null 60000"),
            (option::PRIORITY, "\"high\"", "5 -5.0"),
            (option::ON_FAILURE, "17", "\"hear\" null \"\""),
            ("mine", "", "\"anything\" [1] NaN"),
        ] {
            let is_told = |text: &&str| problem(name, &Raw::parse(text).unwrap()).is_some();
            assert!(wrong.split_terminator(' ').all(|text| is_told(&text)), "{name}: {wrong}");
            assert!(!right.split(' ').any(|text| is_told(&text)), "{name}: {right}");
        }
    }
}
