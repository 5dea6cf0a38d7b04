//! How long a test waits, and for what.

use common::clock::{Clock, Stopwatch};
use std::{thread, time::Duration};

/// How long a test waits for what must come before it fails. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where five seconds are promised; the rest is for a busy machine.
pub const FIVE_SECONDS: Duration = Duration::from_secs(7);

/// Where ten seconds are promised; the rest is for a busy machine.
pub const TEN_SECONDS: Duration = Duration::from_secs(14);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Between two looks that may be calls to a server.
const LONG_PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until there is something, or `patience` is at its end.
///
/// For what can't be waited for by an event: another process's end, a port, a container.
pub fn eventually<T>(patience: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
    let watch = Stopwatch::start();
    loop {
        let late = watch.elapsed() > patience;
        let seen = look();
        if seen.is_some() || late {
            return seen;
        }
        thread::sleep(PAUSE);
    }
}

/// The same for a look that awaits something.
pub async fn eventually_async<T>(patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let watch = Stopwatch::start();
    loop {
        let late = watch.elapsed() > patience;
        let seen = look().await;
        if seen.is_some() || late {
            return seen;
        }
        pause().await;
    }
}

/// Spares the processor while something else is waited for.
pub async fn pause() {
    Clock::system().sleep(LONG_PAUSE).await;
}
