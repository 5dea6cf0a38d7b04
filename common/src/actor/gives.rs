//! Which results fit which parameters.

/// A return type that gives whoever reads the result a `T`: a `T` itself does, and a `Result` of one.
///
/// A `Result` that an actor's signature spells as one is taken apart before ([`Actor::Returned`](super::Actor::Returned)); this takes
/// apart those that have another name.
#[diagnostic::on_unimplemented(
    message = "this step takes a `{T}` as its last argument, and the one before it returns `{Self}`",
    label = "does not fit",
    note = "`Pipeline::append` adds a step without this check"
)]
pub trait Gives<T> {}

impl<T> Gives<T> for T {}

impl<T, E> Gives<T> for Result<T, E> {}

/// A type that nothing is known of: of a call whose actor is not known here, of what an actor returns that has no name.
#[derive(Clone, Copy, Debug)]
pub enum Untyped {}
