//! What the server refuses for a part of a call: said once, and once more when it is over.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::StoreError;
use crate::queue_name::QueueName;

/// What was refused at the last call of one kind.
#[derive(Debug)]
pub(super) struct LogOnce {
    /// What such a call is for, as the log calls it.
    what: &'static str,
    /// By what it is refused for.
    refused: Mutex<BTreeMap<String, StoreError>>,
}

impl LogOnce {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, refused: Mutex::default() }
    }

    /// Takes in what a call met that tried in some places; answers the first of it.
    pub(super) fn see(
        &self,
        mut refused: BTreeMap<String, StoreError>,
        is_tried: impl Fn(&str) -> bool,
    ) -> Option<StoreError> {
        let mut known = self.lock();
        for (place, error) in refused.iter().filter(|(place, error)| known.get(*place) != Some(error)) {
            tracing::warn!(target: "common::broker", "{} {place}: {error}; retrying", self.what);
        }
        for place in known.keys().filter(|place| is_tried(place) && !refused.contains_key(*place)) {
            tracing::info!(target: "common::broker", "{} {place}: recovered", self.what);
        }
        let first = refused.values().next().cloned();
        refused.extend(std::mem::take(&mut *known).into_iter().filter(|(place, _)| !is_tried(place)));
        *known = refused;
        first
    }

    /// Whether the last call met trouble there.
    pub(super) fn is_refused(&self, queue: &QueueName) -> bool {
        self.lock().contains_key(queue.as_str())
    }

    /// Whether the last call met any trouble.
    pub(super) fn is_any(&self) -> bool {
        !self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, StoreError>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
