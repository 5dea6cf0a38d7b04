//! This program once more, as a worker in a process of its own: to be looked at, or killed.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::process::{ChildStdout, Command, Stdio};
use std::thread;

use common::actor;
use common::actor::actors;
use common::worker::{Shutdown, Worker};

use crate::ground::{Failed, Tally, broker, no_op};

/// The first argument of such a process.
pub(crate) const COMMAND: &str = "work";

const READY: &str = "ready";

/// What [`hold`] does with its message.
pub(crate) type Hand = Box<dyn Fn() + Send + Sync>;

/// In a child it never ends; in a worker that takes over, it tells.
#[actor]
pub(crate) fn hold(hand: &Hand) {
    hand();
}

/// A running child; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts one, and waits until it is about to fetch for the first time.
    pub(crate) fn start(url: &str, namespace: &str) -> Result<Self, Failed> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([COMMAND, url, namespace]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let lines = process.stdout.take().map(|output| BufReader::new(output).lines());
        let mut child = Self { process, lines: lines.ok_or("a child without an output")? };
        child.says(READY)?;
        Ok(child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it runs a message that it never ends.
    pub(crate) fn holds(&mut self) -> Result<(), Failed> {
        self.says("holding")
    }

    /// With a signal that it does not hear.
    pub(crate) fn kill(&mut self) -> Result<(), Failed> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    fn says(&mut self, expected: &str) -> Result<(), Failed> {
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

/// What a child does, until its parent ends it or is gone.
pub(crate) async fn work(url: &str, namespace: &str) -> Result<(), Failed> {
    let broker = broker(url, namespace).await?;
    let hand: Hand = Box::new(|| {
        println!("holding");
        loop {
            thread::park();
        }
    });
    let worker = Worker::new(broker).actors(actors![no_op, hold]).state(Tally::expecting(0)).state(hand);
    let stopper = worker.stopper();
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stopper.stop_now();
    });
    match worker.on_ready(|| println!("{READY}")).run().await? {
        Shutdown::Unreachable => Err("the store did not answer".into()),
        _ => Ok(()),
    }
}
