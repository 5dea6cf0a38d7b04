//! What is kept of a run for whoever asks later.
//!
//! A result lies in the store under a key that sender and worker both know, in dramatiq's form, so that either language
//! reads what the other has stored. It is written in the same step as the run ends, or, where it is to lie in another place
//! ([`results_at`](crate::broker::BrokerBuilder::results_at)), before that.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ResultError;
use crate::message::{Message, Raw};

/// What tells a stored failure from a value that looks like one.
const MARK: &str = "dramatiq.results.Result";

/// What was kept of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// What the actor returned.
    Value(Raw),
    /// It failed for good.
    Failed {
        /// The name of the error's type, for people.
        kind: String,
        /// The error's text.
        text: String,
    },
}

/// Under which keys results lie. Whoever reads them has to say the same as whoever stores them.
///
/// # Source
///
/// dramatiq 2.2, `ResultBackend`: its `namespace`, and `use_namespace_prefix_keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultKeys {
    /// With what each of them begins, before it is hashed: `dramatiq-results`, unless something else is said.
    pub namespace: String,
    /// Whether a key is left as it is, for people and access rules to read, and not hashed.
    pub readable: bool,
}

impl Default for ResultKeys {
    fn default() -> Self {
        Self { namespace: "dramatiq-results".to_owned(), readable: false }
    }
}

impl ResultKeys {
    /// The key of a message's result: namespace, queue, actor and id of the message, or the MD5 sum of that.
    #[must_use]
    pub fn of(&self, message: &Message) -> String {
        let name = format!("{}:{}:{}:{}", self.namespace, message.queue_name, message.actor_name, message.message_id);
        if self.readable {
            return name;
        }
        Md5::digest(name.as_bytes()).iter().fold(String::with_capacity(32), |mut key, byte| {
            // Writing into a string cannot fail.
            let _ = write!(key, "{byte:02x}");
            key
        })
    }
}

/// What a result can be read as.
#[diagnostic::on_unimplemented(
    message = "a result cannot be read as `{Self}`",
    label = "a result is read when it comes: it needs `Deserialize`"
)]
pub trait Readable: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Readable for T {}

/// Compiles where a result can be read as a `T`; `#[actor(remote)]` emits a use of it.
#[doc(hidden)]
pub fn check_readable<T: Readable>() {}

impl Stored {
    /// Reads the value as a `T`.
    ///
    /// # Errors
    ///
    /// [`ResultError::Failed`] when there is none, [`ResultError::Unreadable`] when it is no `T`.
    pub fn read<T: Readable>(&self) -> Result<T, ResultError> {
        match self {
            Self::Value(value) => value.read().map_err(|error| ResultError::Unreadable(error.to_string())),
            Self::Failed { kind, text } => Err(ResultError::Failed { kind: kind.clone(), text: text.clone() }),
        }
    }

    /// The bytes that lie in the store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let json = match self {
            Self::Value(value) => value.clone(),
            Self::Failed { kind, text } => {
                let error = Raw::object([("type", Raw::from(kind.as_str())), ("msg", Raw::from(text.as_str()))]);
                Raw::object([("__t", Raw::from(MARK)), ("exn", error)])
            }
        };
        json.as_str().as_bytes().to_vec()
    }

    /// Reads what lies in the store; `None` where that is no JSON.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if let Ok(Failed { mark, exn }) = serde_json::from_slice(bytes)
            && mark == MARK
        {
            return Some(Self::Failed { kind: exn.kind, text: exn.msg });
        }
        Raw::parse(std::str::from_utf8(bytes).ok()?).map(Self::Value)
    }
}

/// A stored failure, as it lies in the store.
#[derive(Deserialize)]
struct Failed {
    #[serde(rename = "__t")]
    mark: String,
    exn: Error,
}

#[derive(Deserialize)]
struct Error {
    #[serde(rename = "type")]
    kind: String,
    msg: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_dramatiqs_form() {
        let failed = Stored::Failed { kind: "ValueError".to_owned(), text: "bad \u{e9}".to_owned() };
        let bytes = failed.encode();
        let expected = r#"{"__t":"dramatiq.results.Result","exn":{"type":"ValueError","msg":"bad \u00e9"}}"#;
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        assert_eq!(Stored::decode(&bytes), Some(failed));
    }

    #[test]
    fn everything_else_is_a_value() {
        for text in [
            "3",
            "null",
            "[1, 2]",
            "NaN",
            "[-Infinity, {\"a\": NaN}]",
            r#"{"__t":"mine","exn":{"type":"x","msg":"y"}}"#,
        ] {
            let stored = Stored::decode(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(stored.encode()).unwrap(), text);
        }
        assert_eq!(Stored::decode(b"no JSON"), None);
    }
}
