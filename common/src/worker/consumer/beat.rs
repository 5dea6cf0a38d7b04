//! Showing that this worker lives, and looking after what comes due.

use tracing::info;

use super::Consumer;
use super::idle::Question;
use super::outage::Call;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::store::{BEAT_INTERVAL, Beat};

impl Consumer {
    pub(super) fn start_beat(&mut self) {
        if self.beating {
            self.beat_again = true;
            return;
        }
        self.beating = true;
        self.beat_again = false;
        self.beaten_at = self.claims.last();
        self.beat_started = self.broker.clock().uptime();
        let (store, registration) = (self.broker.store().clone(), self.registration.clone());
        let (held, waiting) = (self.open_claims(), self.local_queue.unstarted());
        self.call(async move { store.beat(&registration, &held, &waiting).await }, Self::beaten);
    }

    fn beaten(&mut self, beat: Result<Beat, StoreError>) {
        self.beating = false;
        self.local_queue.release_surplus();
        let mut due = None;
        match beat {
            Ok(beat) => {
                self.outage.answered(Call::Beat);
                self.offer();
                let beaten_at = self.beaten_at;
                let lost: Vec<_> =
                    beat.lost.iter().filter(|claim| self.claims.remove(claim, beaten_at)).cloned().collect();
                self.monitor.beaten(lost.len());
                self.lose(&lost);
                if !beat.cancelled.is_empty() {
                    let told = self.local_queue.cancel(&beat.cancelled);
                    if told > 0 {
                        let (are, they) =
                            if told == 1 { ("message is", "it is") } else { ("messages are", "they are") };
                        info!(target: "common::worker", "{told} running {are} cancelled; {they} told to stop");
                    }
                }
                if beat.moved > 0 || beat.ready {
                    self.drained = false;
                    self.question = Question::Open;
                }
                if self.next_due != beat.next_due {
                    self.next_due = beat.next_due;
                    // It waits for what comes due before something else.
                    self.stop_waiting();
                }
                // What should have been moved and was not is refused; the next regular beat tries again.
                due = self.deadline(beat.next_due.filter(|due| *due > beat.now), beat.now);
                self.ask_for_unended(&beat);
                self.tell_of_long_runs();
                self.answer_whether_more(&beat);
            }
            Err(error) => self.failed(Call::Beat, &error),
        }
        if self.beat_again {
            self.start_beat();
        } else {
            // From start to start, or others would see a worker on a slow link beat less often. A moment is left in between
            // however long each takes: a server that is slow must not get nothing but beats.
            let took = self.broker.clock().uptime().saturating_sub(self.beat_started);
            let pause = BEAT_INTERVAL.saturating_sub(took).max(BEAT_INTERVAL / 4);
            let regular = self.broker.clock().now() + pause;
            self.plan_beat(due.map_or(regular, |due| due.min(regular)));
        }
    }

    /// Learns of a due time, as the store saw it at its time `now`; what comes due before the planned beat gets one of its own.
    pub(super) fn plan_due(&mut self, due: Option<Timestamp>, now: Timestamp) {
        if due.is_some_and(|due| self.next_due.is_none_or(|known| due < known)) {
            self.next_due = due;
            let deadline = self.deadline(due, now).filter(|deadline| *deadline < self.next_beat);
            if let Some(deadline) = deadline
                && !self.beating
            {
                self.plan_beat(deadline);
            }
        }
    }

    /// When it is `due` by our clock. The store's own time decides, and ours differs from it by a call's way there and back.
    fn deadline(&self, due: Option<Timestamp>, store: Timestamp) -> Option<Timestamp> {
        let clock = self.broker.clock();
        if self.outage.is_on() {
            return None;
        }
        due.map(|due| if clock.is_manual() { due } else { clock.now() + due.since(store) })
    }

    /// Beats at `time`, whatever was planned before.
    fn plan_beat(&mut self, time: Timestamp) {
        self.timer += 1;
        self.next_beat = time;
        let (clock, timer) = (self.broker.clock().clone(), self.timer);
        self.once(async move { clock.sleep_until(time).await }, move |consumer| {
            // Another one is planned since.
            if timer == consumer.timer {
                consumer.start_beat();
            }
        });
    }
}
