//! A Redis server for tests.

use std::sync::atomic::{AtomicU32, Ordering};

/// The URL of a server that tests may use.
///
/// # Panics
///
/// When `TEST_REDIS_URL` names none.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "tests have no command line")]
pub fn url() -> String {
    std::env::var("TEST_REDIS_URL").expect("set TEST_REDIS_URL to a server that tests may use, redis://127.0.0.1:PORT")
}

/// A namespace that nobody else uses.
#[must_use]
pub fn namespace() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{number}", std::process::id())
}
