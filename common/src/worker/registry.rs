//! Which actors a worker has.

use std::collections::HashMap;

use crate::actor::Declaration;
use crate::error::WorkerError;
use crate::queue_name::QueueName;

/// Actors by their name on the wire, and the queues they are on.
#[derive(Debug)]
pub(super) struct Registry {
    actors: HashMap<&'static str, &'static Declaration>,
    /// Actors that other workers run.
    remote_actors: HashMap<&'static str, &'static Declaration>,
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
        if queues.is_empty() { Err(WorkerError::NoActors) } else { Ok(Self { actors, remote_actors, queues }) }
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
