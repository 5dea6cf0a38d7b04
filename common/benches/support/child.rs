//! This program once more, as a worker in a process of its own: to be looked at, or killed.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::process::{ChildStdout, Command, Stdio};
use std::thread;

use common::worker::{Shutdown, Worker};

use super::Failed;
use super::program::WORK;

const READY: &str = "ready";

/// A running child; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts one, and waits until it is about to fetch for the first time.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self, Failed> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(WORK).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let lines = process.stdout.take().map(|output| BufReader::new(output).lines());
        let mut child = Self { process, lines: lines.ok_or("a child without an output")? };
        child.says(READY)?;
        Ok(child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// With a signal that it does not hear.
    pub(crate) fn kill(&mut self) -> Result<(), Failed> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Waits for its next line.
    pub(crate) fn says(&mut self, expected: &str) -> Result<(), Failed> {
        match self.lines.next() {
            Some(Ok(line)) if line == expected => Ok(()),
            other => Err(format!("a child said {other:?} instead of {expected}").into()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.kill();
    }
}

/// Runs a worker until its parent ends it or is gone, and says when it is ready.
pub(crate) async fn run(worker: Worker, ready: &'static str) -> Result<(), Failed> {
    let stopper = worker.stopper();
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stopper.stop_now();
    });
    match worker.on_ready(move || println!("{ready}")).run().await? {
        Shutdown::Unreachable => Err("the store did not answer".into()),
        _ => Ok(()),
    }
}

/// The same for one that was started by [`Child::start`].
pub(crate) async fn work(worker: Worker) -> Result<(), Failed> {
    run(worker, READY).await
}
