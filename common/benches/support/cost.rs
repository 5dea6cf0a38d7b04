//! What a process costs, as Linux tells it in `/proc`.

use std::fs;
use std::time::Duration;

use super::Failed;

/// For how long an idle worker is looked at.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);

/// What a worker does at its start is no idling.
pub(crate) const SETTLING: Duration = Duration::from_secs(2);

/// Processor time of all threads, in milliseconds.
pub(crate) fn cpu(process: u32) -> Result<f64, Failed> {
    let mut nanos = 0.0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let told = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += told.split_whitespace().next().ok_or("no time")?.parse::<f64>()?;
    }
    Ok(nanos / 1_000_000.0)
}

/// Resident memory, in megabytes.
pub(crate) fn memory(process: u32) -> Result<f64, Failed> {
    let told = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no memory")?;
    Ok(line.trim_end_matches("kB").trim().parse::<f64>()? / 1_024.0)
}
