//! How many messages a worker holds before they run.
//!
//! Enough that no slot waits for the broker, and not so many that other workers stand idle beside a hoard: twice as many
//! as there are slots; more while runs are so short that a round trip to the broker would outlast them all.

use std::time::Duration;

/// What wait at most while runs are short.
const MOST: usize = 256;

/// What a short run is.
const SHORT: Duration = Duration::from_millis(10);

/// Decides from the last runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefetch {
    threads: usize,
    /// How many runs in a row were short.
    short_runs: usize,
}

impl Prefetch {
    pub(super) fn new(threads: usize) -> Self {
        Self { threads, short_runs: 0 }
    }

    /// Learns how long a run took.
    pub(super) fn ran(&mut self, took: Duration) {
        self.short_runs = if took < SHORT { self.short_runs.saturating_add(1) } else { 0 };
    }

    /// Learns that a run goes on for longer than a short one.
    pub(super) fn long_run_seen(&mut self) {
        self.short_runs = 0;
    }

    /// How many may wait.
    pub(super) fn target(self) -> usize {
        let plain = 2 * self.threads;
        if self.short_runs >= self.threads { plain.max(MOST) } else { plain }
    }

    /// How many to fetch when `idle` slots are free and `waiting` wait: none while at least half of the target is there.
    pub(super) fn wanted(self, idle: usize, waiting: usize) -> usize {
        let target = self.target();
        if waiting * 2 < target { idle + target - waiting } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_slots_are_fetched_when_fewer_than_the_slots_wait() {
        let prefetch = Prefetch::new(8);
        assert_eq!(prefetch.wanted(8, 0), 24);
        assert_eq!(prefetch.wanted(0, 7), 9);
        assert_eq!(prefetch.wanted(0, 8), 0);
    }

    #[test]
    fn short_runs_fetch_ahead_until_a_long_one_comes() {
        let mut prefetch = Prefetch::new(8);
        for _ in 0..8 {
            assert_eq!(prefetch.target(), 16);
            prefetch.ran(Duration::from_millis(1));
        }
        assert_eq!(prefetch.wanted(0, 127), 129);
        prefetch.ran(Duration::from_millis(10));
        assert_eq!(prefetch.target(), 16);
    }
}
