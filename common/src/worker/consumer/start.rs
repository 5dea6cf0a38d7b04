//! Recording the starts of marked messages, a call for as many as there are, and keeping them apart.

use std::time::Duration;

use tracing::warn;

use super::Consumer;
use super::outage::Call;
use crate::clock::Stopwatch;
use crate::error::StoreError;
use crate::store::{BEAT_INTERVAL, Claim};
use crate::worker::job::Reserved;
use crate::worker::prefetch::SOON;
use crate::worker::quarantine::{Kind, OFFER, OFFER_EVERY};
use crate::worker::stop::Stage;

impl Consumer {
    /// Records the starts of what has a slot; what was held up before may have one now.
    pub(super) fn start_marked(&mut self) {
        let (starts, is_held_back) = self.local_queue.fill();
        self.threads.start(starts);
        if is_held_back && !self.is_watching {
            self.is_watching = true;
            self.after(SOON, Self::help_out);
        }
        if !self.is_recording && !self.outage.is_pausing(Call::Start) {
            let reserved = self.local_queue.take_reserved();
            if !reserved.is_empty() {
                self.record(reserved);
            }
        }
        self.offer_soon();
        if let Some(left) = self.local_queue.held_up_for().filter(|_| !self.is_on_probation) {
            self.is_on_probation = true;
            self.after(left, |consumer| consumer.is_on_probation = false);
        }
    }

    fn record(&mut self, reserved: Vec<Reserved>) {
        for job in reserved.iter().map(|reserved| &reserved.job).filter(|job| job.kind() == Kind::Suspect) {
            let (message, queue, crashes) = (&job.message, &job.claim.queue, job.crashes);
            warn!(
                target: "common::worker",
                "{} in {queue}: {crashes} workers died while they ran it; no other such message runs beside it",
                message.message_id
            );
        }
        self.is_recording = true;
        let (store, registration) = (self.broker.store().clone(), self.registration.clone());
        let claims: Vec<Claim> = reserved.iter().map(|reserved| reserved.job.claim.clone()).collect();
        let starting = async move { store.start(&registration, &claims).await };
        self.call(starting, |consumer, answer| consumer.started(reserved, answer));
    }

    /// Since fewer slots worked than could, what waited was to be done: now others do it.
    fn help_out(&mut self) {
        self.is_watching = false;
        self.threads.start(self.local_queue.help_out());
    }

    /// Starts what is recorded.
    fn started(&mut self, reserved: Vec<Reserved>, answer: Result<Vec<bool>, StoreError>) {
        self.is_recording = false;
        match answer {
            Ok(held) => {
                self.outage.answered(Call::Start);
                for (reserved, is_held) in reserved.into_iter().zip(held) {
                    self.threads.start(self.local_queue.start_reserved(reserved, is_held));
                }
            }
            Err(error) => {
                self.failed(Call::Start, &error);
                self.local_queue.put_off(reserved);
            }
        }
    }

    /// Lets other workers have what cannot start here yet, and gives them a moment.
    pub(super) fn offer(&mut self) {
        let is_time = self.last_offer.is_none_or(|last| last.elapsed() >= OFFER_EVERY);
        if is_time && self.local_queue.offer() > 0 {
            self.last_offer = Some(Stopwatch::start());
            self.abstain(OFFER);
        }
    }

    /// Offers it between two beats as well, unless the other workers have enough to do.
    fn offer_soon(&mut self) {
        if self.drained && !self.is_offering && self.local_queue.is_held_up() {
            self.is_offering = true;
            self.after(OFFER_EVERY, Self::offer_due);
        }
    }

    fn offer_due(&mut self) {
        self.is_offering = false;
        if self.stage == Stage::Running && self.drained {
            self.offer();
        }
    }

    /// Requeues what is too much to be kept until it may start. With nothing else in the queue's head, fetching would bring it
    /// again and again.
    pub(super) fn limit_held_up(&mut self) {
        if self.local_queue.give_back_held_up() > 0 {
            self.abstain(BEAT_INTERVAL);
        }
    }

    fn abstain(&mut self, time: Duration) {
        self.abstains = true;
        self.drained = false;
        self.after(time, |consumer| consumer.abstains = false);
    }
}
