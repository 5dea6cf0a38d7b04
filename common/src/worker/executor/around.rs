//! What goes around each step of a run, and what becomes of a hook that fails.

use std::sync::Arc;

use crate::middleware::{HookError, Middleware, Run};
use crate::outcome::{Failure, bounded, catch};

/// Takes a step of a run, inside of all that goes around it.
pub(super) fn around(middleware: &[Arc<dyn Middleware>], run: &Run<'_>, step: &mut dyn FnMut()) -> Result<(), Failure> {
    let Some((hook, inner)) = middleware.split_first() else {
        step();
        return Ok(());
    };
    let mut taken = None;
    let outer = catch(|| hook.around(run, &mut || taken = Some(around(inner, run, step))));
    let not_taken = || Failure {
        text: bounded(format_args!("the hook `around` of `{}` did not call its step", hook.name())),
        kind: "hook".to_owned(),
        ..Failure::default()
    };
    outer.map_err(|panic| of_hook("around", &**hook, panic))?;
    taken.unwrap_or_else(|| Err(not_taken()))
}

/// What a hook that panicked makes of a run.
pub(super) fn of_hook(hook: &str, middleware: &dyn Middleware, panic: Failure) -> Failure {
    let text = bounded(format_args!("the hook `{hook}` of `{}` {}", middleware.name(), panic.text));
    Failure { text, ..panic }
}

/// What a hook that failed makes of a run.
pub(super) fn failure_of_hook(hook: &str, middleware: &dyn Middleware, error: &HookError) -> Failure {
    let text = bounded(format_args!("the hook `{hook}` of `{}` failed: {error}", middleware.name()));
    Failure { text, kind: "hook".to_owned(), ..Failure::default() }
}
