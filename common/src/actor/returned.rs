//! From what an actor returned to an [`Outcome`]: the type decides, not its spelling.
//!
//! `#[actor]` emits calls into this module with the concrete type at hand, and method lookup picks the first trait that
//! fits ("autoref specialization", after David Tolnay). The choice between a `Result` and a value carries no bounds, so
//! that an error without a text is a compile error and not a value.

mod kept;

use std::any::type_name;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::Display;
use std::ops::Deref;

use serde::Serialize;

pub use self::kept::{KeepsDyn, KeepsError, KeepsText, KeptDyn, KeptError, KeptText};
use super::context::Context;
use super::state::short;
use crate::message::Raw;
use crate::outcome::{Bounded, Failure, Outcome, Retry, bounded};

/// How many sources of an error are looked at: one that is its own source has no end of them.
const MAX_SOURCES: usize = 32;

/// Splits a `Result`: chosen by method lookup before [`AnyValue`], which needs one more reference.
///
/// The methods of these traits have names that a type of the user's will hardly have, as its own method would be found
/// first.
pub trait AnyResult {
    /// What splits it.
    fn returned_as(&self) -> ResultKind {
        ResultKind
    }
}

impl<T, E> AnyResult for Result<T, E> {}

/// Takes everything else as a value.
pub trait AnyValue {
    /// What wraps it.
    fn returned_as(&self) -> ValueKind {
        ValueKind
    }
}

impl<T> AnyValue for &T {}

/// A `Result`.
#[derive(Clone, Copy, Debug)]
pub struct ResultKind;

impl ResultKind {
    /// Leaves it as it is.
    ///
    /// # Errors
    ///
    /// The actor's own error.
    pub fn split<T, E>(self, returned: Result<T, E>) -> Result<T, E> {
        returned
    }
}

/// A plain value, which cannot fail.
#[derive(Clone, Copy, Debug)]
pub struct ValueKind;

impl ValueKind {
    /// Wraps it.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn split<T>(self, returned: T) -> Result<T, Infallible> {
        Ok(returned)
    }
}

/// What an actor returns on success.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an actor's result",
    label = "a result has to be stored: it needs `Serialize`",
    note = "return `()` where nobody needs it"
)]
pub trait Storable: Serialize + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + 'static> Storable for T {}

/// The outcome of a run that returned `value`, which is encoded only where somebody wants it. Has it no JSON form then,
/// that is a failure which no retry repeats: the work was done.
pub fn value<T: Storable>(value: &T, context: &Context) -> Outcome {
    if !context.wants_result() {
        context.lose(|| !is_null(value));
        return Outcome::Value(Raw::NULL);
    }
    match Raw::encode(value) {
        Ok(raw) => Outcome::Value(raw),
        Err(error) => Outcome::Failed(Failure {
            text: bounded(format_args!("the work is done, but its result has no JSON form: {error}")),
            kind: kind::<T>(),
            is_final: true,
            ..Failure::default()
        }),
    }
}

/// Whether a value has the JSON form of nothing, without writing one that is long.
fn is_null(value: &impl Serialize) -> bool {
    let mut written = [0; 4];
    serde_json::to_writer(&mut written[..], value).is_ok() && written == *b"null"
}

/// An error by its text: what every error can do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an actor's error",
    label = "an error is logged and kept with the message: it needs `Display`",
    note = "derive it with `thiserror`, or return a `String`"
)]
pub trait Describe: Display {}

#[diagnostic::do_not_recommend]
impl<E: Display> Describe for E {}

/// An error to be described; method lookup tries [`AnyError`], [`AnyDyn`], [`AnyText`] in this order.
#[derive(Debug)]
pub struct Described<'a, E>(pub &'a E);

/// Errors with sources.
pub trait AnyError {
    /// What describes it.
    fn described_as(&self) -> ErrorKind {
        ErrorKind
    }
}

impl<E: Error + 'static> AnyError for &&Described<'_, E> {}

/// What dereferences to an error: `Box<dyn Error + Send + Sync>`, `anyhow::Error`.
pub trait AnyDyn {
    /// What describes it.
    fn described_as(&self) -> DynKind {
        DynKind
    }
}

impl<E: Deref<Target = dyn Error + Send + Sync + 'static>> AnyDyn for &Described<'_, E> {}

/// Everything else, which should have a text.
pub trait AnyText {
    /// What describes it.
    fn described_as(&self) -> TextKind {
        TextKind
    }
}

impl<E> AnyText for Described<'_, E> {}

/// An [`Error`].
#[derive(Clone, Copy, Debug)]
pub struct ErrorKind;

impl ErrorKind {
    /// Text and sources, and whether it is a [`Retry`].
    pub fn describe<E: Error + 'static>(self, error: &E) -> Failure {
        Failure { kind: kind::<E>(), ..failure(error) }
    }
}

/// Something with an [`Error`] inside.
#[derive(Clone, Copy, Debug)]
pub struct DynKind;

impl DynKind {
    /// Text and sources, and whether it is a [`Retry`].
    pub fn describe<E: Deref<Target = dyn Error + Send + Sync + 'static>>(self, error: &E) -> Failure {
        Failure { kind: kind::<E>(), ..failure(&**error) }
    }
}

/// A text.
#[derive(Clone, Copy, Debug)]
pub struct TextKind;

impl TextKind {
    /// Its text; the bound stands here and not at the choice, so that the compiler tells it in its own words.
    pub fn describe<E: Describe>(self, error: &E) -> Failure {
        Failure { text: bounded(format_args!("{error:#}")), kind: kind::<E>(), ..Failure::default() }
    }
}

fn kind<E>() -> String {
    short(type_name::<E>())
}

/// What an actor's `retry_when` says about an error; here a closure learns its parameters' types.
pub fn decide<E>(retry_when: impl FnOnce(u32, &E) -> bool, retries: u32, error: &E) -> bool {
    retry_when(retries, error)
}

fn failure(error: &(dyn Error + 'static)) -> Failure {
    let mut text = Bounded::default();
    text.add(format_args!("{error:#}"));
    let mut asked = error.downcast_ref::<Retry>().copied();
    let mut source = error.source();
    for _ in 0..MAX_SOURCES {
        let Some(error) = source else { break };
        let retry = error.downcast_ref::<Retry>().copied();
        let more = bounded(error);
        // Some errors write their sources into their own text; and that it is put off says nothing of why.
        if !text.as_str().contains(&more) && retry.is_none_or(|retry| retry.counts) {
            text.add(format_args!(": {more}"));
        }
        asked = asked.or(retry);
        source = error.source();
    }
    Failure { text: text.finish(), retry_requested: asked, ..Failure::default() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::actor::Cancellation;
    use crate::clock::Timestamp;
    use crate::message::Message;
    use crate::queue_name::QueueName;

    /// The context of a run whose result somebody wants, or nobody does.
    fn wanting(wants_result: bool) -> Context {
        let message = Message::new(QueueName::default(), "act", [], Timestamp::EPOCH);
        Context::new(message.into(), Arc::default(), Cancellation::default()).wanting_result(wants_result)
    }

    macro_rules! outcome {
        ($returned:expr) => {{
            let returned = $returned;
            match (&returned).returned_as().split(returned) {
                Ok(done) => value(&done, &wanting(true)),
                Err(error) => {
                    let mut failure = (&&&Described(&error)).described_as().describe(&error);
                    let kept = (&&&Described(&error)).kept_as();
                    kept.keep(error, &mut failure);
                    Outcome::Failed(failure)
                }
            }
        }};
    }

    type Aliased = Result<u8, String>;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot mail")]
    struct Mail(#[source] std::fmt::Error);

    fn text(outcome: &Outcome) -> &str {
        match outcome {
            Outcome::Failed(failure) => &failure.text,
            other => panic!("{other:?} is no failure"),
        }
    }

    #[test]
    fn the_type_decides_whether_it_is_a_failure() {
        assert_eq!(outcome!(()), Outcome::Value(Raw::NULL));
        assert_eq!(outcome!(vec![1, 2]).clone(), Outcome::Value(Raw::encode(&vec![1, 2]).unwrap()));
        assert_eq!(outcome!(Aliased::Ok(3)), Outcome::Value(Raw::from(3_i64)));
        assert_eq!(text(&outcome!(Aliased::Err("no".to_owned()))), "no");
    }

    #[test]
    fn an_errors_text_holds_its_sources() {
        assert!(text(&outcome!(Err::<(), _>(Mail(std::fmt::Error)))).starts_with("cannot mail: an error"));
        let boxed: Result<(), Box<dyn Error + Send + Sync>> = Err("boxed".into());
        assert_eq!(text(&outcome!(boxed)), "boxed");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("of this thread")]
    struct Local(std::rc::Rc<u8>);

    #[test]
    fn an_error_is_kept_where_it_is_one_and_can_go_to_another_thread() {
        fn kept(outcome: &Outcome) -> Option<&(dyn Error + 'static)> {
            let Outcome::Failed(failure) = outcome else { panic!("{outcome:?} is no failure") };
            failure.error()
        }
        let own = outcome!(Err::<(), _>(Mail(std::fmt::Error)));
        assert!(kept(&own).is_some_and(|error| error.is::<Mail>() && error.source().is_some()));
        let boxed: Result<(), Box<dyn Error + Send + Sync>> = Err(Box::new(Mail(std::fmt::Error)));
        assert!(kept(&outcome!(boxed)).is_some_and(<dyn Error>::is::<Mail>));
        assert!(kept(&outcome!(Err::<(), _>("text"))).is_none());
        let local = outcome!(Err::<(), _>(Local(std::rc::Rc::new(1))));
        assert_eq!((text(&local), kept(&local).is_none()), ("of this thread", true));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("round {0}")]
    struct Round(u32);

    /// Its source is itself.
    #[derive(Debug)]
    struct Endless;

    impl Display for Endless {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("endless")
        }
    }

    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }

    /// One source after the other, each with a text of its own.
    #[derive(Debug)]
    struct Chain(Round, Option<Box<Chain>>);

    impl Display for Chain {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt(f)
        }
    }

    impl Error for Chain {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|source| source as &dyn Error)
        }
    }

    #[test]
    fn an_error_without_end_is_told_all_the_same() {
        assert_eq!(text(&outcome!(Err::<(), _>(Endless))), "endless");
        let chain = (0..1_000).fold(None, |source, round| Some(Box::new(Chain(Round(round), source)))).unwrap();
        let text = text(&outcome!(Err::<(), Chain>(*chain))).to_owned();
        assert!(text.starts_with("round 999: round 998: ") && text.ends_with(&format!("round {}", 999 - MAX_SOURCES)));
    }

    #[test]
    fn what_nobody_wants_is_not_encoded() {
        let pairs = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert_eq!(value(&pairs, &wanting(false)), Outcome::Value(Raw::NULL));
        let Outcome::Failed(failure) = value(&pairs, &wanting(true)) else { panic!("it has no JSON form") };
        assert!(failure.is_final);
        assert_eq!(failure.text, "the work is done, but its result has no JSON form: key must be a string");
    }

    #[test]
    fn what_is_nothing_is_told_from_what_is_lost() {
        assert!(is_null(&()) && is_null(&None::<u8>) && is_null(&Some(())) && is_null(&serde_json::Value::Null));
        assert!(!is_null(&0) && !is_null(&false) && !is_null(&"null") && !is_null(&[(); 0]) && !is_null(&vec![1; 99]));
        assert!(!is_null(&std::collections::BTreeMap::from([((1, 2), 3)])), "it has no JSON form");
    }

    #[test]
    fn a_retry_is_found_in_every_kind_of_error() {
        let retry = Retry::after(Duration::from_secs(1));
        let boxed: Result<(), Box<dyn Error + Send + Sync>> = Err(retry.into());
        for outcome in [outcome!(Err::<(), _>(retry)), outcome!(boxed)] {
            let Outcome::Failed(failure) = outcome else { panic!("no failure") };
            assert_eq!(failure.retry_requested, Some(retry));
        }
    }
}
