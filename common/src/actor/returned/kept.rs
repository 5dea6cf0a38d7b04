//! Which errors are kept beside their text, by method lookup as well.
//!
//! By a choice of its own: an error that cannot go to another thread is described with its sources like any other, and only not kept.

use std::error::Error;
use std::ops::Deref;

use super::Described;
use crate::outcome::{Failure, SharedError};

/// Errors that can be kept.
pub trait KeepsError {
    /// What keeps it.
    fn kept_as(&self) -> KeptError {
        KeptError
    }
}

impl<E: Error + Send + Sync + 'static> KeepsError for &&Described<'_, E> {}

/// What dereferences to an error, and can be kept.
pub trait KeepsDyn {
    /// What keeps it.
    fn kept_as(&self) -> KeptDyn {
        KeptDyn
    }
}

impl<E: Deref<Target = dyn Error + Send + Sync + 'static> + Send + Sync + 'static> KeepsDyn for &Described<'_, E> {}

/// Everything else, of which the text is kept.
pub trait KeepsText {
    /// What drops it.
    fn kept_as(&self) -> KeptText {
        KeptText
    }
}

impl<E> KeepsText for Described<'_, E> {}

/// Keeps an [`Error`] beside its text.
#[derive(Clone, Copy, Debug)]
pub struct KeptError;

impl KeptError {
    /// Puts it into its failure.
    pub fn keep<E: Error + Send + Sync + 'static>(self, error: E, failure: &mut Failure) {
        failure.error = SharedError::of(error);
    }
}

/// Keeps something with an [`Error`] inside beside its text.
#[derive(Clone, Copy, Debug)]
pub struct KeptDyn;

impl KeptDyn {
    /// Puts it into its failure.
    pub fn keep<E: Deref<Target = dyn Error + Send + Sync + 'static> + Send + Sync + 'static>(
        self,
        error: E,
        failure: &mut Failure,
    ) {
        failure.error = SharedError::inside_of(error);
    }
}

/// Keeps the text alone.
#[derive(Clone, Copy, Debug)]
pub struct KeptText;

impl KeptText {
    /// Drops the error.
    pub fn keep<E>(self, error: E, _: &mut Failure) {
        drop(error);
    }
}
