//! A JSON object whose values stay raw.

use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::raw::Raw;

/// The entries of a JSON object in their order, by key; a key occurs once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Entries(Vec<(Box<str>, Raw)>);

impl Entries {
    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Raw> {
        self.0.iter().find(|(name, _)| **name == *key).map(|(_, value)| value)
    }

    /// The value under `key` as a `T`; `None` where it is absent or no `T`.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.get(key)?.read().ok()
    }

    /// Sets `key`; a key that is there keeps its place, a new one goes last.
    pub fn set(&mut self, key: &str, value: Raw) {
        match self.0.iter_mut().find(|(name, _)| **name == *key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.into(), value)),
        }
    }

    /// Removes `key`, if it is there.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(name, _)| **name != *key);
    }

    /// Takes the value under `key` out.
    pub fn take(&mut self, key: &str) -> Option<Raw> {
        let at = self.0.iter().position(|(name, _)| **name == *key)?;
        Some(self.0.remove(at).1)
    }

    /// Gives what is under `old` the key `new`, unless something is there: then that counts.
    pub(super) fn rename(&mut self, old: &str, new: &str) {
        if self.get(new).is_some() {
            self.remove(old);
        } else if let Some((key, _)) = self.0.iter_mut().find(|(key, _)| **key == *old) {
            *key = new.into();
        }
    }

    /// All entries in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Raw)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// All values, to be changed in place.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Raw> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Entries::default();
                while let Some((key, value)) = map.next_entry::<Box<str>, &RawValue>()? {
                    // As in Python, the last of several equal keys counts.
                    entries.set(&key, Raw::from(value));
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Object)
    }
}
