//! Options of an actor that the library does not know.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::message::Raw;

/// What an actor's attribute says to middleware of the user's: `#[actor(options(tenant_required = true, weight = 3))]`.
///
/// They belong to the actor as this program declares it, and do not travel. What a single message says stands in
/// [`Message::options`](crate::message::Message::options).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Options(&'static [(&'static str, &'static str)]);

impl Options {
    /// None.
    pub const NONE: Self = Self(&[]);

    /// These, each with its value as JSON; `#[actor]` emits this.
    #[must_use]
    pub const fn of(options: &'static [(&'static str, &'static str)]) -> Self {
        Self(options)
    }

    /// The value of an option; `None` where it is not declared.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Raw> {
        self.0.iter().find(|(declared, _)| *declared == name).and_then(|(_, json)| Raw::parse(json))
    }

    /// The value of an option as a `T`; `None` where it is not declared, or no `T`.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.get(name)?.read().ok()
    }

    /// All of them in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Raw)> {
        self.0.iter().filter_map(|(name, json)| Some((*name, Raw::parse(json)?)))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
