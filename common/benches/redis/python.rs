//! Python's dramatiq on the same Redis: its own command line, its own actors.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use common::actor;
use common::clock::Stopwatch;
use common::queue_name::QueueName;
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::block_in_place;

use crate::ground::{Setup, ask, broker, connection, full, namespace, sleep, wipe};
use crate::pick_up::pick_up;
use crate::support::Failed;
use crate::support::load::{empty, messages_of, per_second};
use crate::support::table::{self, Waits};
use crate::{drain, enqueue};

/// Where `actors.py` is.
const MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/redis");

/// How often Redis is asked how far they are.
const LOOK: Duration = Duration::from_millis(2);

/// Messages for an idle worker, which looks less and less often the longer it is idle.
const PICK_UPS: usize = 20;
const IDLE: Duration = Duration::from_secs(1);

/// It is this much slower.
const FEWER: usize = 10;

/// Only sends it; it runs in Python.
#[actor]
#[allow(dead_code, reason = "only its messages are used")]
fn reply(_key: String) {}

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let Setup { url, messages, .. } = setup;
    let Some(python) = &setup.python else {
        table::row("dramatiq (not measured: `--python VENV`)", "");
        return Ok(());
    };
    let fewer = messages.div_ceil(FEWER);
    for processes in [1, 2] {
        let theirs = async || drained(python, url, fewer, processes).await;
        let beside = format!("dramatiq -p {processes} -t 8");
        table::in_turn("drain, messages/s", async || drain::drain(url, *messages).await, &beside, theirs).await?;
    }
    let theirs = async || enqueued(python, url, fewer).await;
    let ours = async || enqueue::single(url, fewer).await;
    table::in_turn("enqueue one after the other, messages/s", ours, "dramatiq", theirs).await?;

    let (ours, theirs) = (pick_up(url, 100).await?, picked_up(python, url).await?);
    compared("idle pick-up, ms, p50", ours.at(50), "dramatiq -p 1 -t 8", theirs.at(50));
    compared("idle pick-up, ms, p95", ours.at(95), "dramatiq -p 1 -t 8", theirs.at(95));
    Ok(())
}

/// Its command line; ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Dramatiq(Child);

impl Dramatiq {
    /// Starts it, and waits until each of its processes is ready.
    pub(crate) fn start(python: &Path, url: &str, namespace: &str, processes: usize) -> Result<Self, Failed> {
        let mut command = interpreter(python, url, namespace);
        command.args(["-m", "dramatiq", "actors", "-t", "8", "-p"]).arg(processes.to_string());
        let mut worker = Self(command.stderr(Stdio::piped()).spawn()?);
        let log = worker.0.stderr.take().ok_or("dramatiq has no log")?;
        let mut lines = BufReader::new(log).lines();
        let mut ready = 0;
        while ready < processes {
            let line = lines.next().ok_or("dramatiq ended; has the environment all of requirements-dev.txt?")??;
            ready += usize::from(line.contains("Worker process is ready for action."));
        }
        // Nobody may block because nobody reads.
        thread::spawn(move || lines.for_each(drop));
        Ok(worker)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Dramatiq {
    fn drop(&mut self) {
        // Killed, it would leave its own processes behind.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

fn interpreter(python: &Path, url: &str, namespace: &str) -> Command {
    let mut command = Command::new(python.join("bin/python"));
    command.current_dir(MODULES).stdin(Stdio::null()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("BENCH_REDIS_URL", url).env("BENCH_NAMESPACE", namespace);
    command
}

/// From the first acknowledgement that is seen to the last, so that Python's start does not count.
async fn drained(python: &Path, url: &str, count: usize, processes: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    broker.enqueue(messages_of(count, broker.clock())?).await?;
    let mut connection = connection(url)?;
    let hash = format!("{namespace}:default.msgs");
    let mut left = || ask::<usize>(&mut connection, &["HLEN", &hash]);
    let worker = block_in_place(|| Dramatiq::start(python, url, &namespace, processes));
    let (mut watch, mut first) = (Stopwatch::start(), left()?);
    // Where not all were ready yet when the first ones were gone, the others are missing in the figure's beginning only.
    loop {
        let now = left()?;
        if first == count {
            (watch, first) = (Stopwatch::start(), now);
        }
        if now == 0 {
            break;
        }
        sleep(LOOK).await;
    }
    let took = watch.elapsed();
    drop(worker?);
    empty(&broker, &QueueName::default()).await?;
    wipe(url, &namespace)?;
    Ok(per_second(first, took))
}

/// By one thread of one process.
async fn enqueued(python: &Path, url: &str, count: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let mut command = interpreter(python, url, &namespace);
    let output = block_in_place(|| command.args(["actors.py", &count.to_string()]).output())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    full(url, &namespace, count).await?;
    wipe(url, &namespace)?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// As for ours; here the end is when an answer of the actor is there, a call to Redis later.
async fn picked_up(python: &Path, url: &str) -> Result<Waits, Failed> {
    let namespace = namespace();
    let broker = broker(url, &namespace).await?;
    let mut connection = connection(url)?;
    let worker = block_in_place(|| Dramatiq::start(python, url, &namespace, 1))?;
    let key = format!("{namespace}:answers");
    let mut waits = Vec::with_capacity(PICK_UPS);
    for _ in 0..PICK_UPS {
        sleep(IDLE.mul_f64(1.0 + fastrand::f64())).await;
        let watch = Stopwatch::start();
        reply::send(&broker, key.clone()).await?;
        let answer: Option<(String, String)> = block_in_place(|| ask(&mut connection, &["BLPOP", &key, "30"]))?;
        waits.push(watch.elapsed());
        answer.ok_or("dramatiq did not answer")?;
    }
    sleep(IDLE).await;
    drop(worker);
    empty(&broker, &QueueName::default()).await?;
    wipe(url, &namespace)?;
    Waits::new(waits)
}

/// A row of two figures that were measured once.
pub(crate) fn compared(what: &str, ours: f64, beside: &str, theirs: f64) {
    println!("| {what} | {ours:.2} | {beside} | {theirs:.2} | {:.3} |", ours / theirs);
}
