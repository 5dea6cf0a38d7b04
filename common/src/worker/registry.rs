//! Which actors a worker has.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::actor::{Declaration, Entry};
use crate::error::WorkerError;
use crate::queue_name::QueueName;

/// Actors by their name on the wire, and the queues they are on.
#[derive(Debug)]
pub(super) struct Registry {
    actors: HashMap<&'static str, &'static Declaration>,
    /// Actors that other workers run.
    remote_actors: HashMap<&'static str, &'static Declaration>,
    /// Of each actor, whether it was said that its values get lost.
    losses: HashMap<&'static str, Arc<AtomicBool>>,
    queues: Vec<QueueName>,
}

impl Registry {
    /// Checks names and queues.
    pub(super) fn new(
        list: &[&'static Declaration],
        remote_actors: &[&'static Declaration],
    ) -> Result<Self, WorkerError> {
        let mut actors: HashMap<&'static str, &'static Declaration> = HashMap::new();
        let mut queues = Vec::new();
        let queue_of = |actor: &Declaration| {
            QueueName::new(actor.queue).map_err(|cause| WorkerError::Queue { actor: actor.name, cause })
        };
        for actor in list {
            if let Entry::Remote = actor.entry {
                return Err(WorkerError::Remote { actor: actor.name, place: actor.place });
            }
            if let Some(first) = actors.insert(actor.name, actor) {
                return Err(WorkerError::NameTaken { name: actor.name, first: first.place, second: actor.place });
            }
            let queue = queue_of(actor)?;
            if !queues.contains(&queue) {
                queues.push(queue);
            }
        }
        for actor in remote_actors {
            queue_of(actor)?;
        }
        let remote_actors = remote_actors.iter().map(|actor| (actor.name, *actor)).collect();
        let losses = actors.keys().map(|name| (*name, Arc::default())).collect();
        if queues.is_empty() { Err(WorkerError::NoActors) } else { Ok(Self { actors, remote_actors, losses, queues }) }
    }

    /// Whether it was said that what an actor returns gets lost.
    pub(super) fn loss_is_told(&self, name: &str) -> Option<Arc<AtomicBool>> {
        self.losses.get(name).cloned()
    }

    /// The same, with only these of its queues. The actors on the other ones stay known.
    pub(super) fn only(mut self, wanted: &[String]) -> Result<Self, WorkerError> {
        let is_there = |wanted: &String| self.queues.iter().any(|queue| queue.as_str() == *wanted);
        let queues = || {
            let names: Vec<_> = self.queues.iter().map(|queue| format!("`{queue}`")).collect();
            names.join(", ")
        };
        if wanted.is_empty() {
            return Err(WorkerError::NoQueues(queues()));
        }
        if let Some(unknown) = wanted.iter().find(|wanted| !is_there(wanted)) {
            return Err(WorkerError::UnknownQueue { queue: unknown.clone(), queues: queues() });
        }
        self.queues.retain(|queue| wanted.iter().any(|wanted| *wanted == queue.as_str()));
        Ok(self)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'static Declaration> {
        self.actors.get(name).copied()
    }

    /// An actor of this worker, or one that it knows to run elsewhere.
    pub(super) fn find(&self, name: &str) -> Option<&'static Declaration> {
        self.get(name).or_else(|| self.remote_actors.get(name).copied())
    }

    pub(super) fn queues(&self) -> &[QueueName] {
        &self.queues
    }
}
