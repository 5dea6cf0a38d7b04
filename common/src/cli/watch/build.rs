//! Builds the program. Cargo decides what matters.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use jiff::ZonedDateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tokio::process::Command;

use super::super::{Package, output};
use crate::clock::Stopwatch;

/// An executable. It is the same build as long as nobody has written it anew: another terminal's `cargo run` may have
/// built what a watcher has still to find, so cargo's own `fresh` does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Build {
    pub(super) program: PathBuf,
    /// When it was made, for people.
    pub(super) time: String,
    made: SystemTime,
    size: u64,
}

impl Build {
    /// The build that lies at `program`.
    pub(super) fn of(program: PathBuf) -> io::Result<Self> {
        let metadata = fs::metadata(&program)?;
        let made = metadata.modified()?;
        let local = jiff::Timestamp::try_from(made).unwrap_or_default().to_zoned_datetime(TimeZone::system());
        Ok(Self { program, time: time_of_day(&local), made, size: metadata.len() })
    }

    /// A build that differs from others by its time.
    #[cfg(test)]
    pub(super) fn for_test(time: &str) -> Self {
        Self {
            program: PathBuf::from("target/debug/e02"),
            time: time.to_owned(),
            made: SystemTime::UNIX_EPOCH,
            size: 0,
        }
    }
}

/// How cargo ended.
#[derive(Debug)]
pub(super) enum Built {
    /// With an executable, which may be the old one.
    Done {
        build: Build,
        took: Duration,
        /// What cargo and the compiler said.
        warnings: String,
    },
    /// With an error, in cargo's words.
    Failed(String),
}

/// Checks that there is something to build, and something that builds it.
pub(super) async fn check_sources(package: &Package) -> Result<(), String> {
    let needs = "`--watch` builds from the sources";
    if !manifest(package).is_file() {
        return Err(format!(
            "{needs}, and those of {} are not in {} any more; start the worker without it, or from a checkout",
            package.name, package.folder
        ));
    }
    let version = Command::new(cargo()).arg("--version").output().await;
    if version.is_ok_and(|version| version.status.success()) {
        return Ok(());
    }
    Err(format!("{needs}, and there is no `cargo`: install Rust (https://rustup.rs), or start the worker without it"))
}

/// Runs cargo. Dropping the future stops it.
pub(super) async fn build(package: &Package) -> Built {
    let stopwatch = Stopwatch::start();
    let mut command = Command::new(cargo());
    command
        .args(["build", "--quiet", "--message-format=json-render-diagnostics", "-p", package.name])
        .arg("--manifest-path")
        .arg(manifest(package))
        .args(["--color", if output::has_colours() { "always" } else { "never" }])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if package.release {
        command.arg("--release");
    }
    let ended = match command.output().await {
        Ok(ended) => ended,
        Err(error) => return Built::Failed(format!("error: cannot run cargo: {error}\n")),
    };
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    if !ended.status.success() {
        return Built::Failed(said);
    }
    let Some(program) = executable(package.name, &String::from_utf8_lossy(&ended.stdout)) else {
        return Built::Failed(format!("error: cargo names no executable of {}\n", package.name));
    };
    match Build::of(program) {
        Ok(build) => Built::Done { build, took: stopwatch.elapsed(), warnings: said },
        Err(error) => Built::Failed(format!("error: cannot read what cargo made: {error}\n")),
    }
}

/// The executable of `name` in cargo's messages.
fn executable(name: &str, messages: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Artifact {
        target: Target,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    // Messages of other kinds have other fields, and are no artifacts.
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    artifacts.filter(|artifact| artifact.target.name == name).find_map(|artifact| artifact.executable)
}

fn manifest(package: &Package) -> PathBuf {
    Path::new(package.folder).join("Cargo.toml")
}

/// The cargo that this process was started with, else the usual one.
fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn time_of_day(time: &ZonedDateTime) -> String {
    format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_in_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"common"},"executable":null,"fresh":true}
{"reason":"compiler-message","target":{"kind":["bin"],"name":"e02"},"message":{"rendered":"warning"}}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"e02"},"executable":"/t/debug/e02","fresh":false}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable("e02", messages), Some(PathBuf::from("/t/debug/e02")));
        assert_eq!(executable("e03", messages), None);
    }
}
