//! The Python side of the tests.

use std::path::PathBuf;

/// A virtual environment with dramatiq in it.
///
/// # Panics
///
/// When `TEST_VENV` names none.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "tests have no command line")]
pub fn venv() -> PathBuf {
    std::env::var("TEST_VENV")
        .expect("set TEST_VENV to a virtual environment with requirements-dev.txt")
        .into()
}
