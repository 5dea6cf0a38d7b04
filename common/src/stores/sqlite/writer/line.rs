//! Waiting for the lock: who waits, for how long, and how often it is tried.
//!
//! SQLite has no queue of processes that want to write: each tries again and again. Its own way of waiting sleeps for longer and
//! longer, so that who has waited longest tries least, and among fifty processes a beat may come seconds late. Here it is
//! the other way round. A beat tries about every [`LEAST`]. Everything else tries the more often the longer it has waited, so who
//! has waited longest goes first, mostly. How long the pauses are, each process learns: it aims at a few tries a write. So
//! all together try a few times a write as well, however many they are: the lock is never free for long, and the tries cost little.
//!
//! Nobody holds anything while waiting, so one that is stopped or killed there keeps nobody waiting.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::clock::Stopwatch;
use crate::stores::sqlite::posted::{Posted, Rank};

/// How many calls one commit serves at most, and how many rows these may touch together: others wait for the lock meanwhile.
const MOST_TOGETHER: usize = 256;
const MOST_ROWS: usize = 1_000;

/// How soon the lock is tried again at the earliest, about, and at the latest.
const LEAST: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_millis(50);

/// With fewer tries a write than this the pauses become shorter, with more than that longer.
const FEW: u32 = 2;
const MANY: u32 = 5;

/// The calls that wait for the lock.
pub(super) struct Line {
    posted: Receiver<Posted>,
    beats: VecDeque<Posted>,
    others: VecDeque<Posted>,
}

impl Line {
    pub(super) fn new(posted: Receiver<Posted>) -> Self {
        Self { posted, beats: VecDeque::new(), others: VecDeque::new() }
    }

    fn push(&mut self, call: Posted) {
        match call.rank {
            Rank::Beat => self.beats.push_back(call),
            Rank::Other => self.others.push_back(call),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.beats.is_empty() && self.others.is_empty()
    }

    pub(super) fn has_beat(&self) -> bool {
        !self.beats.is_empty()
    }

    /// Waits until there is a call, at most for so long.
    pub(super) fn wait(&mut self, limit: Option<Duration>) -> Result<(), RecvTimeoutError> {
        if self.is_empty() {
            let first = match limit {
                None => self.posted.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(limit) => self.posted.recv_timeout(limit),
            };
            self.push(first?);
        }
        self.gather();
        Ok(())
    }

    /// Takes in what was posted meanwhile.
    pub(super) fn gather(&mut self) {
        while let Ok(next) = self.posted.try_recv() {
            self.push(next);
        }
    }

    /// Pauses, and takes in what is posted meanwhile; a first beat ends the pause.
    pub(super) fn pause(&mut self, pause: Duration) {
        let watch = Stopwatch::start();
        let had_beat = self.has_beat();
        while had_beat == self.has_beat() {
            let left = pause.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return;
            }
            match self.posted.recv_timeout(left) {
                Ok(next) => self.push(next),
                Err(RecvTimeoutError::Timeout) => return,
                // The store was dropped; what it has handed over is done all the same.
                Err(RecvTimeoutError::Disconnected) => return thread::sleep(left),
            }
        }
    }

    /// Takes what the next transaction does.
    pub(super) fn take(&mut self) -> Vec<Posted> {
        self.gather();
        let (mut rows, mut calls) = (0, Vec::new());
        while rows < MOST_ROWS && calls.len() < MOST_TOGETHER {
            let first = if self.beats.is_empty() { &mut self.others } else { &mut self.beats };
            if !calls.is_empty() && first.front().is_some_and(|next| next.is_alone) {
                break;
            }
            let Some(next) = first.pop_front() else { break };
            let is_alone = next.is_alone;
            rows += next.work.rows();
            calls.push(next);
            if is_alone {
                break;
            }
        }
        calls
    }

    /// Puts calls back to the front, each to be done by itself.
    pub(super) fn put_back(&mut self, calls: Vec<Posted>) {
        for call in calls.into_iter().rev() {
            let call = Posted { is_alone: true, ..call };
            match call.rank {
                Rank::Beat => self.beats.push_front(call),
                Rank::Other => self.others.push_front(call),
            }
        }
    }

    /// Takes all that has waited for longer than this.
    pub(super) fn take_older(&mut self, limit: Duration) -> Vec<Posted> {
        let mut older = Vec::new();
        for calls in [&mut self.beats, &mut self.others] {
            let count = calls.iter().take_while(|call| call.since.elapsed() >= limit).count();
            older.extend(calls.drain(..count));
        }
        older
    }

    /// Takes all that has nothing to write.
    pub(super) fn take_void(&mut self, connection: &Connection) -> Vec<Posted> {
        let is_void = |call: &mut Posted| call.work.is_void(connection);
        let (void, rest) =
            self.others.drain(..).map(|mut call| (is_void(&mut call), call)).partition::<Vec<_>, _>(|(void, _)| *void);
        self.others = rest.into_iter().map(|(_, call)| call).collect();
        void.into_iter().map(|(_, call)| call).collect()
    }

    pub(super) fn take_all(&mut self) -> Vec<Posted> {
        self.beats.drain(..).chain(self.others.drain(..)).collect()
    }
}

/// How often the lock is tried.
#[derive(Debug)]
pub(super) struct Patience {
    /// The pause after the first try.
    pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: LEAST }
    }
}

impl Patience {
    /// How long to pause after so many tries.
    pub(super) fn pause(&self, tries: u32, has_beat: bool) -> Duration {
        let pause = if has_beat { LEAST } else { (self.pause * 8 / (tries + 7)).max(LEAST) };
        // All who wait together must not try together.
        pause.mul_f64(0.5 + fastrand::f64())
    }

    /// It took so many tries in vain.
    pub(super) fn learn(&mut self, tries: u32) {
        if tries < FEW {
            self.pause = self.pause * 3 / 4;
        } else if tries > MANY {
            self.pause = self.pause * 5 / 4;
        }
        self.pause = self.pause.clamp(LEAST, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_waited_longest_tries_most_often_and_a_beat_at_once() {
        let mut patience = Patience::default();
        let longest = |patience: &Patience, tries, has_beat| {
            let pauses = (0..100).map(|_| patience.pause(tries, has_beat));
            pauses.max().unwrap_or_default()
        };
        for _ in 0..100 {
            patience.learn(MANY + 1);
        }
        assert!(longest(&patience, 1, true) <= LEAST * 3 / 2);
        assert!(longest(&patience, 1, false) > MOST / 2);
        assert!(longest(&patience, 400, false) <= LEAST * 3 / 2);
        for _ in 0..100 {
            patience.learn(1);
        }
        assert!(longest(&patience, 1, false) <= LEAST * 3 / 2, "the crowd is gone");
    }
}
