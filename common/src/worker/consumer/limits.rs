//! Runs that take too long: they are told, then dropped, then given up.

use std::time::Duration;

use tracing::{error, warn};

use super::Consumer;
use crate::clock::Clock;
use crate::duration::spell;
use crate::worker::ended::Ended;
use crate::worker::local_queue::Stuck;
use crate::worker::stop::{Shutdown, Stage};

/// How much earlier another look has to be due to be planned.
const APART: Duration = Duration::from_millis(10);

impl Consumer {
    /// Plans the next look at what runs, if one is due earlier than was planned.
    pub(super) fn watch_limits(&mut self) {
        let Some(left) = self.local_queue.next_limit() else { return };
        // Real time, whatever the broker's clock says: it is what runs take.
        let due = Clock::system().uptime() + left;
        if self.next_limit.is_none_or(|planned| due + APART < planned) {
            self.next_limit = Some(due);
            self.after(left, move |consumer| {
                // Another one is planned since.
                if consumer.next_limit == Some(due) {
                    consumer.next_limit = None;
                    consumer.enforce_limits();
                }
            });
        }
    }

    fn enforce_limits(&mut self) {
        let overdue = self.local_queue.enforce_limits();
        for run in overdue.timed_out {
            // Before it is told: its own line about that comes after this one.
            warn!(
                target: "common::worker",
                "{} {}: it has run for longer than its time limit of {}; told to end",
                run.message.message_id,
                run.actor.name,
                spell(run.time_limit)
            );
            run.tell();
        }
        if !overdue.stuck.is_empty() {
            self.time_out(overdue.stuck);
        }
    }

    /// Has the messages ended whose runs are stuck.
    fn time_out(&mut self, stuck: Vec<Stuck>) {
        for Stuck { slot, message, actor, took, .. } in &stuck {
            error!(
                target: "common::worker",
                "{} {}: told to end, it goes on, for {} by now: its message has failed, slot {} gets another thread, and what it comes to \
                 counts for nothing",
                message.message_id,
                actor.name,
                spell(*took),
                slot + 1
            );
        }
        if self.local_queue.is_stuck() {
            // Nothing may be stuck beside them.
            self.local_queue.close();
        }
        self.condemning += 1;
        let (ends, number) = (self.threads.time_out(stuck), self.claims.last());
        // The panic of a hook is caught, so they are there.
        let ends = async move { ends.await.unwrap_or_default() };
        self.call(ends, move |consumer, ended: Vec<Ended>| {
            consumer.condemned(ended, number);
            consumer.stop_if_stuck();
        });
    }

    fn stop_if_stuck(&mut self) {
        if self.local_queue.is_stuck() && self.stage == Stage::Running {
            error!(
                target: "common::worker",
                "as many runs are stuck as there are slots: this worker stops, so that another one can take over"
            );
            self.end = Shutdown::Stuck;
            self.stop(Stage::Stopping);
        }
    }
}
