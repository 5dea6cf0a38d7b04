//! Who of the workers that share a store listens for news.
//!
//! Each message would wake all that wait, of whom one gets it. So only a few listen, and whoever has something to fetch makes room
//! for the next one, which looks before it listens: of many messages, each that wakes somebody wakes another one after it, until
//! there are no more of either.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::queue_name::QueueName;

/// How many of those who wait for the same queues listen: in a program with fewer workers, all do.
const SEATS: usize = 16;

/// Those who listen, by what they wait for.
#[derive(Clone, Debug, Default)]
pub(in crate::stores) struct Seats(Arc<Mutex<HashMap<u64, Arc<Semaphore>>>>);

/// Its holder listens.
#[derive(Debug)]
pub(in crate::stores) struct Seat {
    /// Requeued when it is dropped; `None` would mean that there are no seats any more, and nobody takes them away.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Seats {
    /// Waits for a seat, in the order of asking. Whoever gets one has to look before it listens.
    pub(in crate::stores) async fn take(&self, queues: &[QueueName]) -> Seat {
        let mut hasher = DefaultHasher::new();
        queues.hash(&mut hasher);
        let seats = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(hasher.finish()).or_insert_with(|| Arc::new(Semaphore::new(SEATS))).clone()
        };
        Seat { _permit: seats.acquire_owned().await.ok() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_next_one_listens_when_one_has_something_and_other_queues_have_seats_of_their_own() {
        let (seats, queues) = (Seats::default(), [QueueName::default()]);
        let mut taken = Vec::new();
        for _ in 0..SEATS {
            taken.push(seats.take(&queues).await);
        }
        let mut next = Box::pin(seats.take(&queues));
        assert!(tokio::time::timeout(Duration::from_millis(5), &mut next).await.is_err());
        seats.take(&[QueueName::canonical("other")]).await;
        taken.pop();
        next.await;
    }
}
