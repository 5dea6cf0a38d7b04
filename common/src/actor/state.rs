//! What the actors of a worker share.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;

use super::context::Context;
use crate::error::WorkerError;

/// Values by their type: an actor that takes `&T` gets the one `T`.
#[derive(Default)]
pub struct States(BTreeMap<TypeId, (String, Box<dyn Any + Send + Sync>)>);

/// A type that an actor takes by reference.
#[derive(Clone, Copy)]
pub struct Wanted {
    id: fn() -> TypeId,
    name: fn() -> &'static str,
}

impl Wanted {
    /// The type `T`.
    #[must_use]
    pub const fn of<T: Any + Send + Sync>() -> Self {
        Self { id: TypeId::of::<T>, name: type_name::<T> }
    }
}

impl States {
    /// Adds a value.
    ///
    /// # Errors
    ///
    /// [`WorkerError::StateTwice`] when there is one of this type already.
    pub fn add<T: Any + Send + Sync>(&mut self, value: T) -> Result<(), WorkerError> {
        let name = short(type_name::<T>());
        if self.0.contains_key(&TypeId::of::<T>()) {
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

    /// Checks that `actor` finds all that it wants here.
    ///
    /// # Errors
    ///
    /// [`WorkerError::StateMissing`] with the first type that is missing.
    pub fn check(&self, actor: &'static str, wanted: &[Wanted]) -> Result<(), WorkerError> {
        let missing = wanted.iter().find(|state| {
            let id = (state.id)();
            id != TypeId::of::<Context>() && !self.0.contains_key(&id)
        });
        match missing {
            None => Ok(()),
            Some(state) => {
                Err(WorkerError::StateMissing { actor, wanted: short((state.name)()), states: self.names() })
            }
        }
    }

    fn names(&self) -> String {
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

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((self.name)())
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
    fn what_is_missing_is_named_beside_what_is_there() {
        let mut states = States::default();
        states.add(Arc::new(5_u8)).unwrap();
        let error = states.check("send", &[Wanted::of::<Context>(), Wanted::of::<u8>()]).unwrap_err();
        assert!(error.to_string().starts_with("`send` needs `&u8`; its state has `Arc<u8>`"), "{error}");
        assert_eq!(states.add(Arc::new(6_u8)), Err(WorkerError::StateTwice("Arc<u8>".to_owned())));
    }
}
