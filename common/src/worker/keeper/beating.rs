//! Showing that this worker lives, and looking after what comes due.

use std::time::Duration;

use tracing::warn;

use super::Keeper;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::store::{BEAT_INTERVAL, Beat, Claim};

/// A run that takes longer is a long one; seen at the next beat.
const LONG_RUN: Duration = Duration::from_millis(10);
use crate::worker::event::Event;

impl Keeper {
    pub(super) fn start_beat(&mut self) {
        if self.beating {
            self.beat_again = true;
            return;
        }
        self.beating = true;
        self.beat_again = false;
        let (store, lease, pool) = (self.broker.store().clone(), self.lease.clone(), self.pool.clone());
        let held = self.held();
        tokio::spawn(async move {
            pool.tell(Event::Beaten(store.beat(&lease, &held).await));
        });
    }

    pub(super) fn held(&self) -> Vec<Claim> {
        let mut held = self.pool.held();
        held.extend(self.unfinished.iter().map(|ending| ending.claim.clone()));
        held
    }

    pub(super) fn beaten(&mut self, beat: Result<Beat, StoreError>) {
        self.beating = false;
        self.pool.give_back_surplus(LONG_RUN);
        match beat {
            Ok(beat) => {
                self.outage.answered();
                if !beat.lost.is_empty() {
                    let running = self.pool.lose(&beat.lost);
                    if running > 0 {
                        warn!(target: "common::worker", "{running} running were given to other workers, which took this one for dead; they are told to stop");
                    }
                }
                if beat.moved > 0 {
                    self.drained = false;
                }
                if self.next_due != beat.next_due {
                    self.next_due = beat.next_due;
                    // It waits for what comes due before something else.
                    self.stop_waiting();
                }
            }
            Err(error) => self.failed("beat", &error),
        }
        if self.beat_again {
            self.start_beat();
        } else {
            self.plan_beat();
        }
    }

    /// Learns of a due time; what comes due before the planned beat gets one of its own.
    pub(super) fn plan_due(&mut self, due: Option<Timestamp>) {
        if due.is_some_and(|due| self.next_due.is_none_or(|known| due < known)) {
            self.next_due = due;
            if !self.beating {
                self.plan_beat();
            }
        }
    }

    /// Beats after an interval, or when something comes due before that.
    pub(super) fn plan_beat(&mut self) {
        let clock = self.broker.clock().clone();
        let planned = clock.now() + BEAT_INTERVAL;
        let next = match self.next_due {
            Some(due) if !self.outage.is_pausing() => due.min(planned),
            _ => planned,
        };
        self.timer += 1;
        let (timer, pool) = (self.timer, self.pool.clone());
        tokio::spawn(async move {
            clock.sleep_until(next).await;
            pool.tell(Event::BeatDue(timer));
        });
    }
}
