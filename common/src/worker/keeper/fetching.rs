//! Getting messages, and waiting for them.

use std::sync::Arc;

use tracing::{debug, warn};

use super::{Event, Keeper};
use crate::actor::Cancellation;
use crate::clock::Timestamp;
use crate::error::{Refusal, StoreError};
use crate::message::option;
use crate::store::{Body, Delivery, Ending, Fetched, Place, Want};
use crate::worker::pool::{Job, head};
use crate::worker::stop::Stage;

impl Keeper {
    pub(super) fn start_fetch(&mut self, wanted: usize) {
        self.fetching = true;
        self.stop_waiting();
        let (store, lease, pool) = (self.broker.store().clone(), self.lease.clone(), self.pool.clone());
        tokio::spawn(async move {
            let wants: Vec<_> = lease.queues.iter().map(|queue| Want { queue: queue.clone(), count: wanted }).collect();
            pool.tell(Event::Fetched(wanted, store.fetch(&lease, &wants).await));
        });
    }

    pub(super) fn fetched(&mut self, wanted: usize, fetched: Result<Fetched, StoreError>) {
        self.fetching = false;
        match fetched {
            Ok(Fetched { deliveries, next_due }) => {
                self.outage.answered();
                self.drained = deliveries.len() < wanted;
                self.plan_due(next_due);
                self.accept(deliveries);
            }
            Err(StoreError::Stranger) => {
                debug!(target: "common::worker", "taken for dead; beating, and going on");
                self.start_beat();
                self.drained = true;
            }
            Err(error) => self.failed("fetch", &error),
        }
    }

    /// Hands messages to the slots; what cannot be run ends here.
    pub(super) fn accept(&mut self, deliveries: Vec<Delivery>) {
        if self.stage != Stage::Running {
            self.pool.end(deliveries.into_iter().map(|delivery| head(delivery.claim)));
            return;
        }
        let now = self.broker.clock().now();
        let mut jobs = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            match self.job(delivery, now) {
                Ok(job) => jobs.push(job),
                Err(ending) => self.pool.end([ending]),
            }
        }
        self.pool.deliver(jobs);
    }

    pub(super) fn job(&self, delivery: Delivery, now: Timestamp) -> Result<Job, Ending> {
        let Delivery { claim, body } = delivery;
        let end = |claim, place| Err(Ending { claim, place, also: Vec::new() });
        let message = match body {
            Ok(message) => message,
            Err(undecodable) => {
                let reason = undecodable.error.to_string();
                warn!(target: "common::worker", "{} in {} is no message, kept in {}: {reason}", claim.id, claim.queue, claim.queue.dead_letter());
                return end(claim, Place::Dead(Body::Raw(undecodable.bytes), reason));
            }
        };
        if let Some(due) = message.eta(now).filter(|due| *due > now) {
            // A sender may put a delayed message into the plain queue; dramatiq holds it as well.
            return end(claim, Place::Until(due, message));
        }
        if message.options.get(option::ETA).is_some_and(|eta| !eta.is_null() && eta.millis().is_none()) {
            warn!(target: "common::worker", "{}: its eta is no time, so it runs now", message.message_id);
        }
        let Some(actor) = self.registry.get(&message.actor_name) else {
            let actor = message.actor_name.to_string();
            let reason = Refusal { actor, queue: claim.queue.clone() }.to_string();
            warn!(target: "common::worker", "{}: {reason}; kept in {}", message.message_id, claim.queue.dead_letter());
            return end(claim, Place::Dead(Body::Message(message), reason));
        };
        let priority = message.options.read(option::PRIORITY).unwrap_or(actor.priority);
        Ok(Job { claim, message: Arc::new(message), actor, cancellation: Cancellation::new(), priority })
    }

    pub(super) fn start_waiting(&mut self) {
        if self.waiting.is_some() {
            return;
        }
        let (store, lease, pool, due) =
            (self.broker.store().clone(), self.lease.clone(), self.pool.clone(), self.next_due);
        let wait = tokio::spawn(async move {
            pool.tell(Event::Woken(store.wait(&lease.queues, due).await));
        });
        self.waiting = Some(wait.abort_handle());
    }

    /// Only a wait may be dropped.
    pub(super) fn stop_waiting(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.abort();
        }
    }
}
