//! Getting messages, and waiting for them.

use std::sync::Arc;

use tracing::{debug, error, warn};

use super::Consumer;
use super::outage::Call;
use crate::actor::Cancellation;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::{Message, option};
use crate::outcome::{DeathCause, bounded};
use crate::store::{Claim, Completion, Delivery, Disposition, FetchRequest, Fetched, Undecodable, Wake};
use crate::worker::ended::{Condemned, Ended};
use crate::worker::job::Job;
use crate::worker::stop::Stage;

/// What becomes of a delivery.
pub(super) enum Sorted {
    Runs(Job),
    Dies(Condemned),
    /// It goes back until then.
    Waits(Claim, Timestamp, Message),
}

impl Consumer {
    /// Asks for as many messages as there is room for; where there was none the last time, waits for some. With no room it does
    /// not listen either: whoever is told of a message should have it.
    pub(super) fn fetch_or_wait(&mut self) {
        if self.fetching {
            return;
        }
        let wanted = self.local_queue.wanted();
        if wanted == 0 {
            return;
        }
        if !self.drained {
            self.start_fetch(wanted);
        } else if !self.beat_again {
            // What is due already waits for the beat after this one.
            self.start_waiting();
        }
    }

    fn start_fetch(&mut self, wanted: usize) {
        self.stop_waiting();
        self.fetch(wanted, None);
    }

    /// Asks for so many messages; only for those that go before a priority, where there is one.
    pub(super) fn fetch(&mut self, wanted: usize, before: Option<i32>) {
        self.fetching = true;
        let (store, registration) = (self.broker.store().clone(), self.registration.clone());
        let fetching = async move {
            // What is wanted is wanted of all queues together, and any of them may have it all.
            let request = |queue: &_| FetchRequest { queue: Clone::clone(queue), count: wanted, before };
            let requests: Vec<_> = registration.queues.iter().map(request).collect();
            store.fetch(&registration, &requests, wanted).await
        };
        self.call(fetching, move |consumer, fetched| consumer.fetched(fetched, before.is_some()));
    }

    /// Takes in what a fetch brought; with `is_ahead`, it asked for some priorities only, and says nothing of the others.
    fn fetched(&mut self, fetched: Result<Fetched, StoreError>, is_ahead: bool) {
        self.fetching = false;
        match fetched {
            Ok(Fetched { now, deliveries, next_due, more }) => {
                self.outage.answered(Call::Fetch);
                self.drained = !more && !is_ahead;
                self.plan_due(next_due, now);
                self.accept(deliveries, now);
            }
            Err(StoreError::NotRegistered) => {
                debug!(target: "common::worker", "not registered any more; registering again");
                self.start_beat();
                self.drained = true;
            }
            Err(error) => self.failed(Call::Fetch, &error),
        }
    }

    /// Hands messages to the slots; what cannot be run ends here.
    fn accept(&mut self, deliveries: Vec<Delivery>, now: Timestamp) {
        self.add_claims(deliveries.iter().map(|delivery| &delivery.claim));
        if self.stage != Stage::Running {
            self.local_queue.release(deliveries.into_iter().map(|delivery| delivery.claim));
            return;
        }
        let (mut jobs, mut condemned) = (Vec::with_capacity(deliveries.len()), Vec::new());
        for delivery in deliveries {
            match self.sort(delivery, now) {
                Sorted::Runs(job) => jobs.push(job),
                Sorted::Dies(message) => condemned.push(message),
                Sorted::Waits(claim, due, message) => {
                    let disposition = Disposition::Defer(due, message);
                    self.local_queue.end([Ended::silent(Completion { claim, disposition, effects: Vec::new() })]);
                }
            }
        }
        self.condemn(condemned);
        self.threads.start(self.local_queue.deliver(jobs));
        self.limit_held_up();
    }

    /// What becomes of a delivery.
    fn sort(&mut self, delivery: Delivery, now: Timestamp) -> Sorted {
        let Delivery { claim, body, crashes, marked } = delivery;
        let mut message = match body {
            Ok(message) => message,
            Err(Undecodable { bytes, error }) => {
                let reason = bounded(&error);
                let Claim { queue, id } = &claim;
                warn!(target: "common::worker", "{id} in {queue} is no message, kept in {}: {reason}", queue.dead_letter());
                let cause = DeathCause::Undecodable;
                return Sorted::Dies(Condemned {
                    claim,
                    message: None,
                    bytes,
                    is_dead: false,
                    actor: None,
                    cause,
                    reason,
                });
            }
        };
        if let Some(due) = message.eta(now).filter(|due| *due > now) {
            // A sender may put a delayed message into the plain queue; dramatiq holds it as well.
            return Sorted::Waits(claim, due, message);
        }
        if message.options.get(option::ETA).is_some_and(|eta| !eta.is_null() && eta.millis().is_none()) {
            warn!(target: "common::worker", "{}: its eta is no time, so it runs now", message.message_id);
        }
        let Some(actor) = self.registry.get(&message.actor_name) else {
            return self.sort_unknown(claim, message, now);
        };
        message.options.remove(option::UNKNOWN_SINCE);
        let message = Arc::new(message);
        let limit = actor.max_crashes.unwrap_or(self.limits.max_crashes);
        if crashes >= limit {
            let (id, name, queue) = (&message.message_id, actor.name, &claim.queue);
            error!(
                target: "common::worker",
                "{id} {name} in {queue}: {crashes} workers died while they ran it (max_crashes {limit}), so it is not run again, \
                 but kept 7 days in {}; once its cause is mended, `dead requeue {id}` sends it again",
                queue.dead_letter()
            );
            let (cause, reason) = (DeathCause::Crashes, format!("its worker died {crashes} times"));
            return Sorted::Dies(Condemned {
                claim,
                message: Some(message),
                bytes: Vec::new(),
                is_dead: false,
                actor: Some(actor),
                cause,
                reason,
            });
        }
        let priority = message.own_priority().unwrap_or(actor.priority);
        let limits = &self.broker.settings().limits;
        let (time_limit, is_told_of_stop) = (limits.time_limit(&message, actor), limits.notifies(&message, actor));
        let cancellation = Cancellation::new();
        Sorted::Runs(Job {
            claim,
            message,
            actor,
            cancellation,
            priority,
            crashes,
            marked,
            time_limit,
            is_told_of_stop,
        })
    }

    pub(super) fn start_waiting(&mut self) {
        if self.waiting.is_some() {
            return;
        }
        let (store, registration, due) = (self.broker.store().clone(), self.registration.clone(), self.next_due);
        self.waiting = Some(self.call(async move { store.wait(&registration.queues, due).await }, Self::woken));
    }

    fn woken(&mut self, wake: Wake) {
        self.waiting = None;
        match wake {
            Wake::Ready => self.drained = false,
            Wake::Due => self.start_beat(),
        }
    }

    /// Only a wait may be dropped.
    pub(super) fn stop_waiting(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.abort();
        }
    }
}
