//! What a worker costs that has nothing to do, as Linux tells it in `/proc`.

use std::fs;
use std::time::Duration;

use common::clock::Clock;

use crate::ground::{Child, Failed, Place, Setup};
use crate::table;

const PERIOD: Duration = Duration::from_secs(10);

/// What a worker does at its start is no idling.
const SETTLING: Duration = Duration::from_secs(2);

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let place = Place::new(setup)?;
    let child = Child::start(&place.url())?;
    Clock::system().sleep(SETTLING).await;
    let before = cpu(child.id())?;
    Clock::system().sleep(PERIOD).await;
    let spent = cpu(child.id())? - before;
    table::row("idle worker, ms of CPU/s", &format!("{:.2}", spent / PERIOD.as_secs_f64()));
    table::row("idle worker, MB resident", &format!("{:.1}", memory(child.id())?));
    Ok(())
}

/// Processor time of all threads, in milliseconds.
fn cpu(process: u32) -> Result<f64, Failed> {
    let mut nanos = 0.0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let told = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += told.split_whitespace().next().ok_or("no time")?.parse::<f64>()?;
    }
    Ok(nanos / 1_000_000.0)
}

/// Resident memory, in megabytes.
fn memory(process: u32) -> Result<f64, Failed> {
    let told = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no memory")?;
    Ok(line.trim_end_matches("kB").trim().parse::<f64>()? / 1_024.0)
}
