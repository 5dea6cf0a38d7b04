//! Time.

use super::{Kind, Runner, Wrong};
use common::store::{BEAT_INTERVAL, DEAD_LETTER_TTL};
use std::time::Duration;

impl Runner {
    /// Time passes, and all that are awake beat: on time, or late.
    pub(super) async fn pass(&mut self, kind: Kind) -> Result<(), Wrong> {
        let (step, times) = match kind {
            Kind::Tick => (BEAT_INTERVAL, 1),
            // Enough to find somebody dead, and to requeue what somebody does not know of.
            Kind::Ticks => (BEAT_INTERVAL, 5),
            // Enough to find one of Python's workers dead.
            Kind::Watch => (BEAT_INTERVAL * 3 / 2, 37),
            Kind::Late => (Duration::from_millis(2_900), 1),
            Kind::Minute => (Duration::from_secs(61), 1),
            _ => (DEAD_LETTER_TTL, 1),
        };
        self.tell(|| format!("{times} times {} ms pass, and all that are awake beat", step.as_millis()));
        for _ in 0..times {
            self.clock.advance(step);
            self.places.advance(step);
            for worker in 0..self.workers.len() {
                if self.workers[worker].is_alive && !self.workers[worker].is_asleep {
                    self.beat(worker).await?;
                }
            }
        }
        Ok(())
    }
}
