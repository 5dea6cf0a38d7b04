//! What goes before what was fetched already: it is fetched as well, beyond what a worker keeps, and runs first.

use std::time::Duration;

use super::Consumer;
use super::outage::Call;
use crate::worker::stop::Stage;

/// How far apart such fetches are, at least.
const APART: Duration = Duration::from_millis(5);

impl Consumer {
    /// Waits for what goes before the last one of those that wait here; without any, nothing can.
    pub(super) fn look_ahead(&mut self) {
        let last = self.local_queue.last_priority().map(|(priority, _)| priority);
        if self.looking_ahead.as_ref().map(|(priority, _)| *priority) == last {
            return;
        }
        self.stop_looking_ahead();
        let Some(priority) = last.filter(|_| !self.looks_ahead_later) else { return };
        let (store, registration) = (self.broker.store().clone(), self.registration.clone());
        let waiting = async move { store.wait_for_priority(&registration.queues, priority).await };
        let handle = self.call(waiting, move |consumer, ()| consumer.overtake(priority));
        self.looking_ahead = Some((priority, handle));
    }

    pub(super) fn stop_looking_ahead(&mut self) {
        if let Some((_, waiting)) = self.looking_ahead.take() {
            waiting.abort();
        }
    }

    /// Fetches what goes before this priority, as much as waits here at most.
    fn overtake(&mut self, priority: i32) {
        // One that was given up may have ended just before.
        if self.looking_ahead.as_ref().is_none_or(|(of, _)| *of != priority) {
            return;
        }
        self.looking_ahead = None;
        self.looks_ahead_later = true;
        self.after(APART, |consumer| consumer.looks_ahead_later = false);
        let waiting = self.local_queue.last_priority().map_or(0, |(_, waiting)| waiting);
        if waiting > 0 && !self.fetching && self.stage == Stage::Running && !self.outage.is_pausing(Call::Fetch) {
            self.fetch(waiting, Some(priority));
        }
    }
}
