//! How many messages a worker holds before they run.
//!
//! Enough that no slot waits for the broker, and no more than can start within a moment: what waits here waits for these slots,
//! while one of another worker is free. So it depends on how long the last runs took:
//!
//! | runs take | wait at most |
//! | --- | --- |
//! | less than 1 ms at the median | 512; a fetch brings half of it at most |
//! | less than 10 ms | 256, likewise |
//! | less than 100 ms | two a slot |
//! | more, or nobody knows yet | none: beside such a run, a round trip is nothing |
//!
//! When all slots turn out to run long ones, what waits goes back.
//!
//! While runs are short, as many slots work as have done with what waits within a moment. To wake the others costs more than it brings:
//! they would find nothing left, and sleep again.

use std::time::Duration;

/// What wait at most while runs are short.
const MOST: usize = 256;

/// What wait at most while all of it is done within a moment.
const MOST_AT_ONCE: usize = 512;

/// What is shorter is a short run.
const SHORT: Duration = Duration::from_millis(10);

/// What waits is to be done within so much, where runs are short.
pub(super) const SOON: Duration = Duration::from_millis(1);

/// What is not shorter is a long run.
const LONG: Duration = Duration::from_millis(100);

/// Decides from the last runs, unless it is told a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefetch {
    threads: usize,
    fixed: Option<usize>,
    /// How many runs in a row were short.
    short_runs: usize,
    /// How many in a row were not long.
    brief_runs: usize,
    /// As many runs took longer as did not, of late.
    typical: Duration,
}

impl Prefetch {
    pub(super) fn new(threads: usize, fixed: Option<usize>) -> Self {
        Self { threads, fixed, short_runs: 0, brief_runs: 0, typical: SOON }
    }

    /// Learns how long a run took.
    pub(super) fn ran(&mut self, took: Duration) {
        self.short_runs = if took < SHORT { self.short_runs.saturating_add(1) } else { 0 };
        self.brief_runs = if took < LONG { self.brief_runs.saturating_add(1) } else { 0 };
        // One that stands out, because its thread had to wait for a processor, moves this no further than any other.
        if took > self.typical {
            self.typical += self.typical / 8 + Duration::from_micros(1);
        } else {
            self.typical -= self.typical / 8;
        }
    }

    /// Learns that some run goes on for so long, and that no slot has become free for so long although messages wait.
    pub(super) fn see(&mut self, longest: Duration, stalled: Duration) {
        if longest >= SHORT {
            self.short_runs = 0;
        }
        if stalled >= LONG {
            self.brief_runs = 0;
        }
    }

    /// How many may wait.
    pub(super) fn target(self) -> usize {
        match self.fixed {
            Some(fixed) => fixed,
            None if self.is_in_batches() && self.typical < SOON => MOST_AT_ONCE.max(self.aside()),
            None if self.is_in_batches() => MOST.max(self.aside()),
            None if self.brief_runs >= self.threads => self.aside(),
            None => 0,
        }
    }

    fn is_in_batches(self) -> bool {
        self.fixed.is_none() && self.short_runs >= self.threads
    }

    /// How many slots are enough while so many wait.
    pub(super) fn slots_for(self, waiting: usize) -> usize {
        if !self.is_in_batches() {
            return self.threads;
        }
        let work = self.typical * u32::try_from(waiting).unwrap_or(u32::MAX);
        usize::try_from(work.as_micros() / SOON.as_micros()).map_or(self.threads, |slots| (slots + 1).min(self.threads))
    }

    /// How many may wait that cannot start, whatever slot is free.
    pub(super) fn aside(self) -> usize {
        2 * self.threads
    }

    /// How many to fetch when `idle` slots are free, and so many wait.
    pub(super) fn wanted(self, idle: usize, waiting: usize) -> usize {
        let target = self.target();
        let batch = target / 2;
        match self.is_in_batches() {
            true if waiting <= batch => batch,
            false if waiting * 2 < target => idle + target - waiting,
            _ => idle.saturating_sub(waiting),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(runs: &[u64]) -> Prefetch {
        let mut prefetch = Prefetch::new(8, None);
        for ms in runs {
            prefetch.ran(Duration::from_millis(*ms));
        }
        prefetch
    }

    #[test]
    fn as_many_wait_as_start_within_a_moment() {
        assert_eq!(after(&[]).target(), 0);
        assert_eq!(after(&[1; 7]).target(), 0);
        assert_eq!([after(&[0; 8]).target(), after(&[5; 8]).target()], [512, 256]);
        assert_eq!(after(&[10; 8]).target(), 16);
        assert_eq!(after(&[100; 8]).target(), 0);
        assert_eq!(after(&[1, 1, 1, 1, 1, 1, 1, 99]).target(), 16);
        assert_eq!(Prefetch::new(200, None).aside(), 400);
    }

    #[test]
    fn what_runs_now_counts_before_its_end() {
        let [none, short, long] = [0, 10, 100].map(Duration::from_millis);
        let seen = |longest, stalled| {
            let mut prefetch = after(&[5; 8]);
            prefetch.see(longest, stalled);
            prefetch.target()
        };
        assert_eq!([seen(none, none), seen(long, short), seen(long, long)], [256, 16, 0]);
    }

    #[test]
    fn less_than_half_is_filled_up_and_a_free_slot_always_asks() {
        let prefetch = after(&[5; 8]);
        assert_eq!([(8, 0), (0, 128), (0, 129)].map(|(idle, coming)| prefetch.wanted(idle, coming)), [128, 128, 0]);
        let prefetch = after(&[10; 8]);
        assert_eq!(
            [(8, 0), (0, 7), (0, 8), (8, 8)].map(|(idle, waiting)| prefetch.wanted(idle, waiting)),
            [24, 9, 0, 0]
        );
        let prefetch = after(&[]);
        assert_eq!(
            [(8, 0), (1, 0), (0, 0), (1, 1)].map(|(idle, waiting)| prefetch.wanted(idle, waiting)),
            [8, 1, 0, 0]
        );
    }

    #[test]
    fn so_many_slots_work_as_have_done_with_what_waits_within_a_moment() {
        let slots = |runs: &[u64], waiting| after(runs).slots_for(waiting);
        assert_eq!([slots(&[], 1), slots(&[0; 7], 1), slots(&[0; 50], 128), slots(&[10; 8], 1)], [8, 8, 1, 8]);
        let [mut short, long] = [[0; 50], [9; 50]];
        short[49] = 9;
        assert_eq!([slots(&short, 128), slots(&long, 1), slots(&long, 128)], [1, 8, 8]);
    }

    #[test]
    fn a_given_number_stays() {
        let mut prefetch = Prefetch::new(2, Some(3));
        prefetch.ran(LONG);
        prefetch.see(LONG, LONG);
        assert_eq!([prefetch.target(), prefetch.wanted(2, 0), prefetch.aside()], [3, 5, 4]);
    }
}
