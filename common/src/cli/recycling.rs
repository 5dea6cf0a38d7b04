//! When a process has run enough, and another one is to take over.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::ArgMatches;
use tokio::sync::Notify;

use super::{Failure, commands};
use crate::broker::BrokerBuilder;
use crate::clock::Clock;
use crate::observe::{Observer, Report};

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// After how many runs, and from how much memory on, a process is to be replaced.
#[derive(Debug)]
pub(super) struct Recycling {
    runs: Option<Arc<Runs>>,
    memory: Option<u64>,
}

/// The runs of this process.
#[derive(Debug)]
struct Runs {
    left: AtomicU64,
    most: u64,
    enough: Notify,
}

impl Recycling {
    pub(super) fn of(given: &ArgMatches) -> Result<Self, Failure> {
        let most = given.get_one::<u64>(commands::MAX_MESSAGES).copied();
        let runs = most.map(|most| Arc::new(Runs { left: AtomicU64::new(most), most, enough: Notify::new() }));
        let memory = given.get_one::<u64>(commands::MAX_MEMORY).copied();
        if memory.is_some() && resident().is_none() {
            return Err(Failure::Usage(
                "`--max-memory` needs Linux: how much memory this process has is unknown".to_owned(),
            ));
        }
        Ok(Self { runs, memory })
    }

    /// Lets the runs of a broker's workers be counted, where that matters.
    pub(super) fn count(&self, broker: BrokerBuilder) -> BrokerBuilder {
        match &self.runs {
            Some(runs) => broker.observer(Counter(runs.clone())),
            None => broker,
        }
    }

    /// Waits until it is enough, and tells why. Cancel safe.
    pub(super) async fn enough(&mut self) -> String {
        tokio::select! {
            why = enough_runs(self.runs.as_deref()) => why,
            why = enough_memory(self.memory) => why,
        }
    }
}

async fn enough_runs(runs: Option<&Runs>) -> String {
    let Some(runs) = runs else { return std::future::pending().await };
    runs.enough.notified().await;
    format!("{} runs", runs.most)
}

async fn enough_memory(most: Option<u64>) -> String {
    let Some(most) = most else { return std::future::pending().await };
    let clock = Clock::system();
    loop {
        if let Some(bytes) = resident().filter(|bytes| *bytes > most) {
            return format!("{} MB of memory", bytes >> 20);
        }
        clock.sleep(LOOK).await;
    }
}

/// How much memory this process has in use, in bytes; unknown on most systems.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes << 10)
}

/// Counts runs; what died without one does not count.
struct Counter(Arc<Runs>);

impl Observer for Counter {
    fn wants_messages(&self) -> bool {
        false
    }

    fn observe(&self, report: &Report) {
        if report.slot.is_none() {
            return;
        }
        let left = self.0.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left == Ok(1) {
            self.0.enough.notify_one();
        }
    }

    fn dropped(&self, reports: u64) {
        // They were runs as well, as far as that is known.
        let left =
            self.0.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(reports)));
        if left.is_ok_and(|left| left > 0 && left <= reports) {
            self.0.enough.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory() {
        assert!(resident().unwrap() > 1 << 20);
    }

    #[test]
    fn what_was_dropped_counts_as_well() {
        let runs = Arc::new(Runs { left: AtomicU64::new(5), most: 5, enough: Notify::new() });
        let counter = Counter(runs.clone());
        let is_enough = || futures_ready(&runs);
        counter.dropped(4);
        assert!(!is_enough());
        counter.dropped(4);
        assert!(is_enough());
    }

    /// Whether somebody who waits for the end of these runs would go on.
    fn futures_ready(runs: &Runs) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = enough_runs(Some(runs)) => true,
                () = std::future::ready(()) => false,
            }
        })
    }
}
