//! A broker of one test's own, workers on it, and somebody who looks.

use crate::experiment::{Experiment, write};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};
use tempfile::TempDir;
use tests::{
    process::{self, PATIENCE, Process, eventually},
    redis,
};

/// A broker, and the program that uses it.
pub(crate) struct Backend {
    /// With its namespace.
    pub(crate) url: String,
    pub(crate) namespace: String,
    /// Gates, and the database where it is a file.
    pub(crate) folder: TempDir,
}

impl Backend {
    pub(crate) fn redis() -> Self {
        let namespace = redis::namespace();
        let url = format!("{}?namespace={namespace}", redis::url());
        Self { url, namespace, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("inside.db").display());
        Self { url, namespace: "dramatiq".to_owned(), folder }
    }

    fn start(&self, program: &Path, args: &[&str]) -> Process {
        Process::start(program, &[args, &["--broker", &self.url]].concat(), &[])
    }

    /// Starts a worker of so many slots in which two messages a slot wait, and waits until it is ready.
    pub(crate) fn worker(&self, threads: usize) -> Process {
        let (threads, prefetch) = (threads.to_string(), (2 * threads).to_string());
        let worker = self.start(program(), &["worker", "--threads", &threads, "--prefetch", &prefetch]);
        worker.wait_for_line("ready: ");
        worker
    }

    /// Starts a worker of another program on the same broker.
    pub(crate) fn worker_of(&self, experiment: &str) -> Process {
        let worker = self.start(&process::binary(experiment), &["worker"]);
        worker.wait_for_line("ready: ");
        worker
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Process {
        let process = self.start(program(), args);
        process.wait();
        process
    }

    /// Sends a message, and returns its id.
    pub(crate) fn send(&self, call: &[&str]) -> String {
        let sender = self.run(call);
        assert_eq!(sender.ended().and_then(|status| status.code()), Some(0), "{sender}");
        sender.stdout().pop().unwrap()
    }

    /// What a command that succeeds prints for people.
    pub(crate) fn says(&self, args: &[&str]) -> String {
        let process = self.run(args);
        assert_eq!(process.ended().and_then(|status| status.code()), Some(0), "{process}");
        process.stdout().join("\n")
    }

    /// The one document that a command prints for programs, and its exit code.
    pub(crate) fn asks(&self, args: &[&str]) -> (Value, i32) {
        let process = self.run(&[args, &["--json"]].concat());
        let code = process.ended().and_then(|status| status.code()).unwrap();
        let text = process.stdout().join("\n");
        (serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {process}")), code)
    }

    /// The same of a command that succeeds.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let (json, code) = self.asks(args);
        assert_eq!(code, 0, "{args:?}: {json:#}");
        json
    }

    /// What `show` tells of the one message with this id.
    pub(crate) fn show(&self, id: &str) -> Value {
        let json = self.json(&["show", id]);
        assert_eq!(json["messages"].as_array().map(Vec::len), Some(1), "{json:#}");
        json["messages"][0].clone()
    }

    /// Why it waits: a word, and the sentence.
    pub(crate) fn explain(&self, id: &str) -> (String, String) {
        let explanation = self.show(id)["explanation"].clone();
        (explanation["kind"].as_str().unwrap().to_owned(), explanation["text"].as_str().unwrap().to_owned())
    }

    /// Looks until a message is in a place.
    pub(crate) fn wait_until(&self, id: &str, place: &str) -> Value {
        let look = || Some(self.show(id)).filter(|seen| seen["state"] == place);
        eventually(PATIENCE, look).unwrap_or_else(|| panic!("{id} never came to be {place}: {:#}", self.show(id)))
    }

    /// The path of a gate, as an argument.
    pub(crate) fn gate(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Lets end what waits at a gate.
    pub(crate) fn open(&self, gate: &str) {
        fs::write(self.gate(gate), "").unwrap();
    }
}

/// The program with the actors of `looked_at.rs`.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = write("looked_at", concat!(include_str!("looked_at.rs"), include_str!("../support/gate.rs")));
        Experiment::written("looked_at", folder.path()).program
    })
}

/// The first characters of an id, as logs show it.
pub(crate) fn short(id: &str) -> &str {
    &id[..8]
}
