//! What a worker costs that has nothing to do, as Linux tells it in `/proc`.

use std::fs;
use std::thread;

use tokio::task::block_in_place;

use crate::ground::{Setup, ask, connection, namespace, sleep, wipe};
use crate::python::{Dramatiq, compared};
use crate::support::child::Child;
use crate::support::cost::{PERIOD, SETTLING, cpu, memory};
use crate::support::{Failed, table};

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let url = &setup.url;
    let name = namespace();
    let child = Child::start(&[url, &name])?;
    sleep(SETTLING).await;
    let ours = block_in_place(|| Cost::of(url, &name, child.id()))?;
    drop(child);
    wipe(url, &name)?;

    let Some(python) = &setup.python else {
        table::row("idle worker, commands/s", &format!("{:.2}", ours.commands));
        table::row("idle worker, ms of CPU/s", &format!("{:.2}", ours.cpu));
        table::row("idle worker, MB resident", &format!("{:.1}", ours.memory));
        return Ok(());
    };
    let name = namespace();
    let worker = Dramatiq::start(python, url, &name, 1)?;
    sleep(SETTLING).await;
    let theirs = block_in_place(|| Cost::of(url, &name, worker.id()))?;
    drop(worker);
    wipe(url, &name)?;
    compared("idle worker, commands/s", ours.commands, "dramatiq -p 1 -t 8", theirs.commands);
    compared("idle worker, ms of CPU/s", ours.cpu, "dramatiq -p 1 -t 8", theirs.cpu);
    compared("idle worker, MB resident", ours.memory, "dramatiq -p 1 -t 8", theirs.memory);
    Ok(())
}

/// What a worker costs, with all processes that it started.
struct Cost {
    /// Calls a second, not those inside of scripts.
    commands: f64,
    /// Milliseconds of processor time a second.
    cpu: f64,
    /// Megabytes; what processes share counts for each of them.
    memory: f64,
}

impl Cost {
    fn of(url: &str, namespace: &str, process: u32) -> Result<Self, Failed> {
        let before = sum(process, cpu)?;
        let commands = commands(url, namespace)?;
        let after = sum(process, cpu)?;
        let seconds = PERIOD.as_secs_f64();
        Ok(Self { commands: commands / seconds, cpu: (after - before) / seconds, memory: sum(process, memory)? })
    }
}

/// How many commands name a namespace within [`PERIOD`].
fn commands(url: &str, namespace: &str) -> Result<f64, Failed> {
    let mut monitor = connection(url)?;
    monitor.send_packed_command(&redis::cmd("MONITOR").get_packed_command())?;
    monitor.recv_response()?;
    let (end, mut caller) = (format!("the end of {namespace}"), connection(url)?);
    let said = end.clone();
    let completion = thread::spawn(move || {
        thread::sleep(PERIOD);
        ask::<String>(&mut caller, &["ECHO", &said])
    });
    let mut count = 0.0;
    loop {
        let line: String = redis::from_redis_value(monitor.recv_response()?)?;
        if line.contains(&end) {
            break;
        }
        if line.contains(namespace) && !line.contains(" lua] ") {
            count += 1.0;
        }
    }
    completion.join().map_err(|_| "nobody ended it")??;
    Ok(count)
}

/// Adds up a figure of a process and all that it started.
fn sum(process: u32, figure: fn(u32) -> Result<f64, Failed>) -> Result<f64, Failed> {
    let mut total = figure(process)?;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        for child in fs::read_to_string(task?.path().join("children"))?.split_whitespace() {
            total += sum(child.parse()?, figure)?;
        }
    }
    Ok(total)
}
