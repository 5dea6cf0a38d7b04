//! What workers log, for tests that expect an operator to read it.

use std::fmt::{Debug, Write as _};
use std::sync::{Condvar, Mutex, Once, PoisonError};

use tests::process::PATIENCE;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static NEWS: Condvar = Condvar::new();

struct Listener;

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() > Level::INFO || !event.metadata().target().starts_with("common") {
            return;
        }
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(text.0);
        NEWS.notify_all();
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        // Writing into a string cannot fail.
        let _ = write!(self.0, " {value:?}");
    }
}

/// Listens from now on to all workers of this process.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        tracing::subscriber::set_global_default(registry().with(Listener)).unwrap();
    });
}

/// The lines so far that have all of these parts.
pub(crate) fn lines(parts: &[&str]) -> Vec<String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).cloned().collect()
}

/// Waits for a line with all of these parts; blocks its thread.
pub(crate) fn wait_for_line(parts: &[&str]) -> String {
    tokio::task::block_in_place(|| {
        let has_all = |line: &&String| parts.iter().all(|part| line.contains(part));
        let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = NEWS.wait_timeout_while(lines, PATIENCE, |lines| !lines.iter().any(|line| has_all(&line)));
        let (lines, _) = waited.unwrap_or_else(PoisonError::into_inner);
        lines.iter().find(has_all).cloned().unwrap_or_else(|| panic!("no line with {parts:?}:\n{}", lines.join("\n")))
    })
}
