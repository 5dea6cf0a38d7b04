//! A worker in a process of its own, and what it tells its parent.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::actor;
use common::actor::{Context, actors};
use common::broker::Broker;
use common::worker::Worker;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{Failed, child};

/// The first argument of such a process.
pub(crate) const WORK: &str = "kills-work";

pub(super) const SLOTS: usize = 4;
const FAILING: f64 = 0.3;

/// Says something of a run to the parent, at once.
fn say(what: &str, context: &Context) {
    let mut output = std::io::stdout().lock();
    // A parent that is gone hears nothing.
    let _ = writeln!(output, "{what} {}", context.id()).and_then(|()| output.flush());
}

#[actor(max_retries = 1_000, min_backoff = "200ms", max_backoff = "1s")]
pub(super) fn task(context: &Context, ms: u32) -> Result<(), String> {
    say("starts", context);
    thread::sleep(Duration::from_millis(u64::from(ms)));
    say("ends", context);
    if fastrand::f64() < FAILING { Err("as it goes".to_owned()) } else { Ok(()) }
}

#[actor]
pub(super) fn poison(context: &Context) {
    say("poison", context);
    std::process::abort();
}

/// What a child does, until its parent ends it or is gone.
pub(crate) async fn work(url: &str) -> Result<(), Failed> {
    let worker = Worker::new(Broker::connect(url).await?).threads(SLOTS).actors(actors![task, poison]);
    child::run(worker, "ready -").await
}

/// What a child says, with its number; nothing where it has ended.
pub(super) type Reported = (usize, Option<(String, String)>);

pub(super) struct Child {
    pub(super) process: std::process::Child,
    pub(super) is_ready: bool,
    pub(super) running: HashSet<String>,
}

impl Child {
    pub(super) fn start(url: &str, number: usize, told: UnboundedSender<Reported>) -> Result<Self, Failed> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([WORK, url]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        let output = process.stdout.take().ok_or("a child without an output")?;
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some((what, id)) = line.split_once(' ') {
                    let _ = told.send((number, Some((what.to_owned(), id.to_owned()))));
                }
            }
            let _ = told.send((number, None));
        });
        Ok(Self { process, is_ready: false, running: HashSet::new() })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
