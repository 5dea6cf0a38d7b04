//! Runs that wait for what others do: what they wait for may lie behind them.

use super::LocalQueue;
use super::state::State;
use crate::actor::waits::Host;
use crate::worker::event::Event;

impl State {
    /// How many may wait for a slot: while a run waits for others, no more than can start.
    pub(super) fn room(&self) -> usize {
        if self.awaiting == 0 { self.prefetch.target() } else { self.idle.len() }
    }

    /// Requeues what waits beyond that; what cannot start here yet has a measure of its own.
    pub(super) fn release_surplus(&mut self) {
        let mut room = self.room();
        if self.waiting.len() > room {
            self.release_if(|state, job| {
                let is_held_up = state.cannot_start(job);
                let is_too_much = !is_held_up && room == 0;
                room -= usize::from(!is_held_up && room > 0);
                is_too_much
            });
        }
    }
}

impl Host for LocalQueue {
    fn waits(&self) {
        let mut state = self.lock();
        state.awaiting += 1;
        state.release_surplus();
        drop(state);
        self.send(Event::Waits);
    }

    fn waits_no_more(&self) {
        // Whatever ends next has the consumer fetch as before. Until then the same run may wait again.
        self.lock().awaiting -= 1;
    }
}
