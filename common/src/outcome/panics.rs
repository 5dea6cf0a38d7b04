//! The one place that calls code of users, and lives on when it panics: actors, what they return and drop, hooks.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::Poll;

use super::Failure;
use super::text::bounded;

thread_local! {
    /// Where this thread has panicked last.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has the panic hook note where a panic is, before it does what it did.
pub(crate) fn remember_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            note(panic.location().map(ToString::to_string));
            hook(panic);
        }));
    });
}

/// Notes a place, and answers which one was noted before.
fn note(place: Option<String>) -> Option<String> {
    // A thread that ends has nowhere to note it.
    PLACE
        .try_with(|noted| noted.try_borrow_mut().ok().and_then(|mut noted| std::mem::replace(&mut *noted, place)))
        .ok()?
}

/// Runs code of a user's; its panic is a failure.
///
/// # Errors
///
/// It panicked.
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(code)).map_err(panicked)
}

/// Awaits what code of a user's makes; its panic is a failure, wherever it happens: where the future is made, polled or
/// dropped.
///
/// # Errors
///
/// It panicked.
pub(crate) async fn catch_async<T>(
    code: impl FnOnce() -> Pin<Box<dyn Future<Output = T> + Send>>,
) -> Result<T, Failure> {
    let mut running = catch(code)?;
    let end = std::future::poll_fn(|task| match catch(|| running.as_mut().poll(task)) {
        Ok(poll) => poll.map(Ok),
        Err(failure) => Poll::Ready(Err(failure)),
    });
    let end = end.await;
    let dropped = catch(move || drop(running));
    let end = end?;
    dropped.map(|()| end)
}

/// What is known of a panic.
fn panicked(panic: Box<dyn Any + Send>) -> Failure {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text =
        words.map_or_else(|| "panicked, without words".to_owned(), |words| bounded(format_args!("panicked: {words}")));
    let place = note(None);
    // What somebody panicked with may panic in its turn when it is dropped; what that leaves is not looked at any more.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    Failure { text, kind: "panic".to_owned(), panicked: true, place, ..Failure::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_is_a_failure_whatever_it_panics_with() {
        assert_eq!(catch(|| 1), Ok(1));
        assert_eq!(catch(|| panic!("no {}", 1)).unwrap_err().text, "panicked: no 1");
        assert_eq!(catch(|| panic::panic_any(Bomb)).unwrap_err().text, "panicked, without words");
        assert_eq!(catch(|| drop(Bomb)).unwrap_err().text, "panicked: dropped");
    }

    #[tokio::test]
    async fn a_future_may_panic_when_it_is_made_polled_or_dropped() {
        struct Dropped(Bomb);
        impl Future for Dropped {
            type Output = u8;
            fn poll(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<u8> {
                let _ = &self.0;
                Poll::Ready(1)
            }
        }
        let text = |end: Result<u8, Failure>| end.unwrap_err().text;
        assert_eq!(catch_async(|| Box::pin(async { 1 })).await, Ok(1));
        assert_eq!(text(catch_async(|| panic!("made")).await), "panicked: made");
        assert_eq!(text(catch_async(|| Box::pin(async { panic!("polled") })).await), "panicked: polled");
        assert_eq!(text(catch_async(|| Box::pin(Dropped(Bomb))).await), "panicked: dropped");
    }
}
