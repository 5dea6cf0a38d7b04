//! The names of queues, by dramatiq's rule, and of the queues that belong to them.

use std::fmt;
use std::sync::Arc;

/// The name of a queue: always the plain one, never that of its delay or dead-letter queue.
///
/// # Source
///
/// dramatiq 2.2, `declare_actor` (the rule) and `common` (`.DQ`, `.XQ`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Arc<str>);

/// A queue name that breaks the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is no queue name: it has to start with a letter or an underscore, and go on with letters, digits, `.`, `_` or `-` (all ASCII)"
)]
pub struct InvalidQueueName {
    name: String,
}

impl QueueName {
    /// The queue of actors that name none.
    pub const DEFAULT: &'static str = "default";

    /// Checks a name, and cuts the ending of a delay queue (`.DQ`) or dead-letter queue (`.XQ`) off it.
    ///
    /// # Errors
    ///
    /// [`InvalidQueueName`] when it breaks dramatiq's rule.
    pub fn new(name: &str) -> Result<Self, InvalidQueueName> {
        if is_valid(name) { Ok(Self::canonical(name)) } else { Err(InvalidQueueName { name: name.to_owned() }) }
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
    fn the_queues_of_a_queue_have_one_plain_name() {
        for name in ["default", "default.DQ", "default.XQ"] {
            let queue = QueueName::new(name).unwrap();
            assert_eq!(queue.as_str(), "default");
            assert_eq!(queue.delay(), "default.DQ");
            assert_eq!(queue.dead_letter(), "default.XQ");
        }
    }
}
