//! The names of queues, by dramatiq's rule, and of the queues that belong to them.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The name of a queue: always the plain one, never that of its delay or dead-letter queue.
///
/// # Source
///
/// dramatiq 2.2, `declare_actor` (the rule) and `common` (`.DQ`, `.XQ`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Arc<str>);

/// A queue name that breaks the rule, or that is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidQueueName {
    /// It breaks dramatiq's rule.
    #[error(
        "`{0}` is no queue name: it has to start with a letter or an underscore, and go on with letters, digits, `.`, `_` or `-` (all ASCII)"
    )]
    Rule(String),
    /// What belongs to a queue, or to all of them, lies under this name.
    #[error(
        "`{0}` cannot be a queue: dramatiq keeps other things under this name (`__heartbeats__`, `__acks__`, names ending in `.DQ`, `.XQ` or `.msgs`)"
    )]
    Taken(String),
}

impl QueueName {
    /// The queue of actors that name none.
    pub const DEFAULT: &'static str = "default";

    /// Checks a name, and cuts the ending of a delay queue (`.DQ`) or dead-letter queue (`.XQ`) off it.
    ///
    /// # Errors
    ///
    /// [`InvalidQueueName`] when it breaks dramatiq's rule, or is taken.
    pub fn new(name: &str) -> Result<Self, InvalidQueueName> {
        let name = Self::canonical(name);
        name.check().map(|()| name)
    }

    /// Whether a queue may have this name; [`QueueName::canonical`] takes any.
    ///
    /// # Errors
    ///
    /// As [`QueueName::new`].
    pub fn check(&self) -> Result<(), InvalidQueueName> {
        if !is_valid(&self.0) {
            return Err(InvalidQueueName::Rule(self.0.to_string()));
        }
        if is_taken(&self.0) {
            return Err(InvalidQueueName::Taken(self.0.to_string()));
        }
        Ok(())
    }

    /// The queue that a received `name` belongs to, unchecked: dramatiq checks names at declaration only.
    #[must_use]
    pub fn canonical(name: &str) -> Self {
        let plain = name.strip_suffix(".DQ").or_else(|| name.strip_suffix(".XQ")).unwrap_or(name);
        Self(plain.into())
    }

    /// The name as it travels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its delay queue.
    #[must_use]
    pub fn delay(&self) -> String {
        format!("{}.DQ", self.0)
    }

    /// The name of its dead-letter queue.
    #[must_use]
    pub fn dead_letter(&self) -> String {
        format!("{}.XQ", self.0)
    }
}

/// Whether a name keeps dramatiq's rule; usable while compiling.
#[must_use]
pub const fn is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || !(bytes[0].is_ascii_alphabetic() || bytes[0] == b'_') {
        return false;
    }
    let mut at = 1;
    while at < bytes.len() {
        if !(bytes[at].is_ascii_alphanumeric() || matches!(bytes[at], b'.' | b'_' | b'-')) {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether something else lies under the name than what is ready in a queue. A store on dramatiq's layout has these keys in
/// its namespace, and `.` is all that sets them apart from queues:
///
/// | key | holds | a queue of this name would be |
/// | --- | --- | --- |
/// | `q` | what is ready in queue `q` | |
/// | `q.DQ`, `q.XQ` | what is delayed, what is dead | `q.DQ`, `q.XQ` |
/// | `q.msgs`, `q.DQ.msgs`, `q.XQ.msgs` | the bodies | `q.msgs`, … |
/// | `__acks__.W.q`, `__acks__.W.q.DQ` | what worker `W` has claimed | `__acks__.…`; of `__acks__`, the bodies look like that |
/// | `__heartbeats__` | when each worker was last seen | `__heartbeats__` |
///
/// This library's own keys have an `@`, which no name has.
#[must_use]
pub fn is_taken(name: &str) -> bool {
    let is_kept_for_all = matches!(name, "__heartbeats__" | "__acks__") || name.starts_with("__acks__.");
    is_kept_for_all || [".DQ", ".XQ", ".msgs"].iter().any(|end| name.ends_with(end))
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for QueueName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dramatiqs_rule_decides() {
        for good in ["default", "_a", "mail.high", "a-b_c.9", "mail.held"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "9a", "a b", "a:b", "é", "a\n", "$2@!@#", "-a", ".a"] {
            assert!(!is_valid(bad), "{bad:?}");
            assert!(QueueName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_make_keys_of_the_layout_are_refused() {
        let layout =
            ["__heartbeats__", "__acks__", "__acks__.w.mail", "mail.msgs", "mail.DQ.DQ", "mail.XQ.DQ", "mail.msgs.DQ"];
        for taken in layout.into_iter().chain(["__heartbeats__.DQ", "__acks__.XQ"]) {
            assert!(matches!(QueueName::new(taken), Err(InvalidQueueName::Taken(_))), "{taken}");
        }
        for free in [
            "heartbeats",
            "__heartbeats__x",
            "__heartbeats__.x",
            "__acks__x",
            "msgs",
            "DQ",
            "mail.dq",
            "a.msgs.b",
            "XQ.a",
        ] {
            assert!(QueueName::new(free).is_ok(), "{free}");
        }
    }

    #[test]
    fn the_queues_of_a_queue_have_one_plain_name() {
        for name in ["default", "default.DQ", "default.XQ"] {
            let queue = QueueName::new(name).unwrap();
            assert_eq!(queue.as_str(), "default");
            assert_eq!(queue.delay(), "default.DQ");
            assert_eq!(queue.dead_letter(), "default.XQ");
        }
    }
}
