//! Variables of the environment. What is wrong with one is said with its name: it is nothing that was typed.

use std::env;

use clap::{Arg, Command};

use super::Failure;

/// What the variable of a worker's option begins with: `--max-memory` is `WORKER_MAX_MEMORY`.
const WORKER: &str = "WORKER_";

/// How a worker's log is written.
const LOG_FORMAT: (&str, &str) = ("log-format", "LOG_FORMAT");

/// dramatiq's own variables, by the option that they are where nothing else names it. Zero means that it is not named.
const DRAMATIQS: [(&str, &str); 1] = [("prefetch", "dramatiq_queue_prefetch")];

/// Where dramatiq would serve its metrics.
#[cfg(feature = "metrics")]
pub(super) fn dramatiqs_address() -> String {
    let said =
        |name, usual: &str| env::var_os(name).and_then(|said| said.into_string().ok()).unwrap_or(usual.to_owned());
    format!("{}:{}", said("dramatiq_prom_host", "0.0.0.0"), said("dramatiq_prom_port", "9191"))
}

/// What a variable says; none where it isn't set.
pub(super) fn text(name: &str) -> Result<Option<String>, Failure> {
    let Some(value) = env::var_os(name) else { return Ok(None) };
    value.into_string().map(Some).map_err(|value| {
        // It may be a secret, so none of it is shown.
        let valid = std::str::from_utf8(value.as_encoded_bytes()).map_or_else(|error| error.valid_up_to(), str::len);
        Failure::Usage(format!("the variable {name} is no text: what comes after {valid} bytes is no UTF-8"))
    })
}

/// Lets an option be a variable as well, which counts where the option is not typed. An empty one is none.
pub(super) fn variable(option: Arg) -> Arg {
    match option.get_long().and_then(meant) {
        Some(name) if !option.is_hide_set() => option.env(name).hide_env(true),
        _ => option,
    }
}

/// The variable of an option.
pub(super) fn name_of(option: &str) -> String {
    if option == LOG_FORMAT.0 {
        LOG_FORMAT.1.to_owned()
    } else {
        format!("{WORKER}{}", option.replace('-', "_").to_uppercase())
    }
}

/// The variable that says what an option is; none where none is set.
fn meant(option: &str) -> Option<String> {
    let ours = name_of(option);
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set(&ours) {
        return Some(ours);
    }
    let (_, dramatiqs) = DRAMATIQS.iter().find(|(name, _)| *name == option)?;
    let is_meant = env::var_os(dramatiqs).is_some_and(|value| !value.is_empty() && value != "0");
    is_meant.then(|| (*dramatiqs).to_owned())
}

/// Checks what the variables of a command's options say, each on its own, so that what is wrong is said with its name.
pub(super) fn check(command: &Command) -> Result<(), Failure> {
    for option in command.get_arguments() {
        let (Some(name), Some(value)) = (option.get_env(), option.get_env().and_then(env::var_os)) else { continue };
        let name = name.to_string_lossy();
        text(&name)?;
        let alone = Command::new("").arg(option.clone()).no_binary_name(true);
        let mut typed = std::ffi::OsString::from(format!("--{}=", option.get_long().unwrap_or_default()));
        typed.push(value);
        if let Err(error) = alone.try_get_matches_from([typed]) {
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default().trim_start_matches("error: ");
            return Err(Failure::Usage(format!("the variable {name}: {first}")));
        }
    }
    Ok(())
}
