//! Variables of the environment. What is wrong with one is said with its name: it is nothing that was typed.

use std::env;

use super::Failure;

/// What a variable says; none where it isn't set.
pub(super) fn text(name: &str) -> Result<Option<String>, Failure> {
    let Some(value) = env::var_os(name) else { return Ok(None) };
    value.into_string().map(Some).map_err(|value| {
        // It may be a secret, so none of it is shown.
        let valid = std::str::from_utf8(value.as_encoded_bytes()).map_or_else(|error| error.valid_up_to(), str::len);
        Failure::Usage(format!("the variable {name} is no text: what comes after {valid} bytes is no UTF-8"))
    })
}
