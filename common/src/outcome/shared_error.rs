//! The error that an actor returned, for whoever wants more of it than its text.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::panics::catch;

/// An error, or nothing. All are equal: what is compared of a failure is its text.
#[derive(Clone, Default)]
pub(crate) struct SharedError(Option<Arc<dyn Held>>);

/// Something that is an error, or has one inside.
trait Held: Send + Sync {
    fn error(&self) -> &(dyn Error + 'static);
}

struct Plain<E>(E);

impl<E: Error + Send + Sync + 'static> Held for Plain<E> {
    fn error(&self) -> &(dyn Error + 'static) {
        &self.0
    }
}

struct Inside<E>(E);

impl<E: Deref<Target = dyn Error + Send + Sync + 'static> + Send + Sync> Held for Inside<E> {
    fn error(&self) -> &(dyn Error + 'static) {
        &*self.0
    }
}

impl SharedError {
    pub(crate) fn of(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Plain(error))))
    }

    pub(crate) fn inside_of(
        error: impl Deref<Target = dyn Error + Send + Sync + 'static> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(Inside(error))))
    }

    pub(crate) fn get(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(Held::error)
    }
}

impl Drop for SharedError {
    fn drop(&mut self) {
        // It is a user's, and may panic in this as in anything.
        if let Some(error) = self.0.take() {
            let _ = catch(move || drop(error));
        }
    }
}

impl PartialEq for SharedError {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for SharedError {}

impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "kept" } else { "not kept" })
    }
}
