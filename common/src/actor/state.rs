//! What the actors of a worker share.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;

use crate::error::WorkerError;

/// Values by their type: an actor that takes `&T` gets the one `T`.
#[derive(Default)]
pub struct States(BTreeMap<TypeId, (String, Box<dyn Any + Send + Sync>)>);

impl States {
    /// Adds a value.
    ///
    /// # Errors
    ///
    /// [`WorkerError::StateTwice`] when there is one of this type already.
    pub fn add<T: Any + Send + Sync>(&mut self, value: T) -> Result<(), WorkerError> {
        let name = short(type_name::<T>());
        if self.has(TypeId::of::<T>()) {
            return Err(WorkerError::StateTwice(name));
        }
        self.0.insert(TypeId::of::<T>(), (name, Box::new(value)));
        Ok(())
    }

    /// The value of type `T`.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>()).and_then(|(_, value)| value.downcast_ref())
    }

    /// Whether there is a value of this type.
    pub(super) fn has(&self, id: TypeId) -> bool {
        self.0.contains_key(&id)
    }

    /// Its types, for people.
    pub(super) fn names(&self) -> String {
        let mut names: Vec<_> = self.0.values().map(|(name, _)| format!("`{name}`")).collect();
        names.sort();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.values().map(|(name, _)| name)).finish()
    }
}

/// A type's name without the modules it lies in.
pub(crate) fn short(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut word = String::new();
    for char in name.chars() {
        if char.is_alphanumeric() || char == '_' {
            word.push(char);
        } else if char == ':' {
            word.clear();
        } else {
            short.push_str(&word);
            word.clear();
            short.push(char);
        }
    }
    short + &word
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn names_lose_their_modules() {
        assert_eq!(short("alloc::sync::Arc<my::Db>"), "Arc<Db>");
        assert_eq!(short("(u8, core::option::Option<&str>)"), "(u8, Option<&str>)");
    }

    #[test]
    fn a_type_is_added_once() {
        let mut states = States::default();
        states.add(Arc::new(5_u8)).unwrap();
        assert_eq!(states.add(Arc::new(6_u8)), Err(WorkerError::StateTwice("Arc<u8>".to_owned())));
    }
}
