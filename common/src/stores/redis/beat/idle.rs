//! The beats of those who are idle in a large fleet.
//!
//! A thousand idle workers of the same queues would look at the same keys a thousand times an interval, where now and then is enough:
//! of those who neither listen nor hold anything, some [`LOOKS`] do all that a beat does, and the others show that they live, and look
//! whether anybody is silent or something more is to be done. If so, a whole beat follows at once.

use std::time::Duration;

use crate::clock::{Stopwatch, Timestamp};
use crate::error::StoreError;
use crate::store::{Beat, Registration};
use crate::stores::redis::RedisStore;
use crate::stores::redis::connection::CallError;
use crate::stores::redis::duty::{SMALL, Wish};
use crate::stores::redis::limits::is_many;

/// How many of a large fleet's beats look at everything, in each interval.
const LOOKS: usize = SMALL;

/// Who has shown no sign of life for so long is looked at. Every beat is a little late; in a large fleet somebody's always is.
const SILENCE: Duration = Duration::from_millis(1_400);

/// For so many beats after one that should not have been short, all are whole.
const PAUSE: usize = 30;

/// What one worker's beats have to do with it.
#[derive(Debug, Default)]
pub(super) struct Idle {
    /// How many beats are to be whole: a short one found that something is to be done.
    pause: usize,
    /// When something comes due, as far as the last whole beat saw.
    next_due: Option<Timestamp>,
}

impl Idle {
    /// Learns what a whole beat saw.
    pub(super) fn learn(&mut self, beat: &Beat) {
        self.pause = self.pause.saturating_sub(1);
        self.next_due = beat.next_due;
    }
}

impl RedisStore {
    /// A short beat, where one is enough.
    pub(super) async fn beat_shortly(
        &self,
        registration: &Registration,
        wish: Option<&Wish>,
    ) -> Result<Option<Beat>, StoreError> {
        let Some(wish @ Wish { group, listeners: Some(listeners) }) = wish else { return Ok(None) };
        let duty = self.notifier.duty();
        // By chance, so that those who began together do not look together.
        let is_short = duty.is_off() && !is_many(registration) && fastrand::usize(..=duty.heartbeats()) > LOOKS;
        if !is_short || self.with_upkeep(&registration.worker, |upkeep| upkeep.idle.pause > 0) {
            return Ok(None);
        }
        let (watch, asked_at) = (Stopwatch::start(), self.clock.uptime());
        let mut call = self.script(&self.scripts.idle);
        call.text(registration.worker.as_str()).duration(SILENCE).text(group).text(duty.member()).count(*listeners);
        for queue in &registration.queues {
            call.text(queue.as_str());
        }
        let (now, is_quiet, listens, heartbeats): (String, bool, bool, usize) = match call.run(&self.pulse).await {
            Ok(answer) => answer,
            Err(error @ (CallError::NotSent(_) | CallError::Lost(_))) => {
                self.apply_duty(Some(wish), None);
                return Err(error.into());
            }
            // The whole beat knows how to go on.
            Err(_) => return Ok(None),
        };
        let took = watch.elapsed();
        let Some(now) = now.parse().ok().map(Timestamp::from_millis).filter(|_| is_quiet) else {
            self.with_upkeep(&registration.worker, |upkeep| upkeep.idle.pause = PAUSE);
            return Ok(None);
        };
        self.clock.follow(now, asked_at);
        self.apply_duty(Some(wish), Some((listens, heartbeats)));
        let at = now.since(Timestamp::EPOCH);
        let next_due = self.with_upkeep(&registration.worker, |upkeep| {
            upkeep.peers.saw_nobody(at, took);
            // What is past has been moved by another one.
            upkeep.idle.next_due.filter(|due| *due > now)
        });
        let (lost, cancelled, unended) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Some(Beat { now, lost, cancelled, next_due, moved: 0, ready: false, unended }))
    }
}
