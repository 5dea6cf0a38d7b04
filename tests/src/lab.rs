//! An experiment as its reader runs it: workers, and senders beside them, on the tests' Redis in a namespace of their own.

use crate::{
    log::{self, Ids},
    process::{self, Process},
    redis,
};
use std::path::PathBuf;

/// One experiment, and where its messages lie.
#[derive(Debug)]
pub struct Lab {
    experiment: &'static str,
    program: PathBuf,
    url: String,
    namespace: String,
    broker: String,
}

impl Lab {
    /// An experiment by its name, with queues that nobody has used yet.
    #[must_use]
    pub fn new(experiment: &'static str) -> Self {
        let (url, namespace) = (redis::url(), redis::namespace());
        let broker = format!("{url}?namespace={namespace}");
        Self { experiment, program: process::binary(experiment), url, namespace, broker }
    }

    /// Starts any of its commands.
    #[must_use]
    pub fn start(&self, args: &[&str]) -> Process {
        Process::start(&self.program, &[args, &["--broker", &self.broker]].concat(), &[])
    }

    /// Starts a worker, with further arguments, and waits until it is ready.
    #[must_use]
    pub fn worker(&self, args: &[&str]) -> Process {
        let worker = self.start(&[&["worker"], args].concat());
        worker.wait_for_line("ready:");
        worker
    }

    /// Sends something, or does something else that ends by itself.
    ///
    /// # Panics
    /// When it fails.
    #[expect(clippy::must_use_candidate, reason = "what is sent is mostly seen at the worker")]
    pub fn run(&self, args: &[&str]) -> Process {
        let command = self.start(args);
        assert!(command.wait().success(), "{command}");
        command
    }

    /// The same of what may fail.
    #[must_use]
    pub fn ended(&self, args: &[&str]) -> Process {
        let command = self.start(args);
        command.wait();
        command
    }

    /// A program of Python's as the notes have it, on this test's Redis: their readers have another one.
    #[must_use]
    pub fn python(&self, source: &str) -> String {
        let source = source.replace("redis://localhost:6379", &self.url);
        source.replace("namespace=\"dramatiq\"", &format!("namespace=\"{}\"", self.namespace))
    }

    /// Waits until nothing runs any more: what is sent then finds all slots free; see [`log::settle`].
    pub fn settle(&self, worker: &Process) {
        log::settle(worker, &self.program, &self.broker);
    }

    /// Stops a worker once nothing runs any more; see [`log::stop`].
    pub fn stop(&self, worker: &Process) {
        log::stop(worker, &self.program, &self.broker);
    }

    /// What varies in the logs of this test.
    #[must_use]
    pub fn ids(&self) -> Ids {
        Ids::new(&self.url, &self.namespace)
    }

    /// Holds a tidy log against its snapshot, and against the notes; see [`log::pin`].
    pub fn pin(&self, name: &str, tidy_log: &str) {
        log::pin(self.experiment, name, tidy_log);
    }
}
