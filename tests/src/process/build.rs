//! Binaries of other packages.

use crate::workspace;
use serde_json::Value;
use std::{
    collections::HashMap,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// The binary of a package, built in the profile and target directory of the running test, once a process.
///
/// A test of the package itself takes the one that cargo has built for it anyway.
///
/// # Panics
/// When the package can't be built, with cargo's message.
#[must_use]
pub fn binary(package: &str) -> PathBuf {
    static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    if let Some(path) = workspace::setting(&format!("CARGO_BIN_EXE_{package}")) {
        return path.into();
    }
    // Held while building: two tests that want the same binary build it once.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    if let Some(path) = built.get(package) {
        return path.clone();
    }
    let path = build(package);
    built.insert(package.to_owned(), path.clone());
    path
}

fn build(package: &str) -> PathBuf {
    let mut cargo = Command::new(workspace::cargo());
    cargo.current_dir(workspace::root()).args(["build", "-p", package, "--bin", package]);
    cargo.args(["--profile", &workspace::profile(), "--message-format=json-render-diagnostics"]);
    cargo.arg("--target-dir").arg(workspace::target()).stdin(Stdio::null());
    let output = cargo.output().unwrap_or_else(|error| panic!("cargo can't be started: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{package}` can't be built:\n{said}");
    // A message a line, as JSON; the one about the binary names where it lies.
    let messages = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let artifact = messages.filter(|message: &Value| message["target"]["name"] == package);
    let path = artifact.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
    path.unwrap_or_else(|| panic!("cargo built no binary `{package}`:\n{said}"))
}
