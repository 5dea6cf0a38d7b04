//! Limits and barriers, which all of this process share.

use std::time::Duration;

use super::{MemoryStore, ready};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::store::{Arrival, Boxed, Grant, Limiters, NewGroup, RateLimit, Slot, SlotLimit};

impl MemoryStore {
    /// What is left of a barrier; `None` where nothing is known of it.
    fn left(&self, key: &str) -> Option<u32> {
        self.world().group(key, self.clock.now()).map(|group| group.left)
    }
}

impl Limiters for MemoryStore {
    fn acquire<'a>(&'a self, slot: &'a Slot) -> Boxed<'a, Result<Grant, StoreError>> {
        ready(Ok(self.world().acquire(slot, self.clock.now())))
    }

    fn renew<'a>(&'a self, slots: &'a [Slot]) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        let (now, mut world) = (self.clock.now(), self.world());
        ready(Ok(slots.iter().map(|slot| world.renew(slot, now)).collect()))
    }

    fn release<'a>(&'a self, slots: &'a [Slot]) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        let now = self.clock.now();
        let mut world = self.world();
        let released = slots.iter().map(|slot| world.give_back(slot, now)).collect();
        drop(world);
        self.news.send_replace(());
        ready(Ok(released))
    }

    fn wait_free<'a>(&'a self, limit: &'a SlotLimit) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut news = self.news.subscribe();
            while !self.world().is_free(limit, self.clock.now()) {
                // The sender lives in `self`, so the channel cannot close under us.
                let _ = news.changed().await;
            }
        })
    }

    fn pass<'a>(&'a self, rate: &'a RateLimit) -> Boxed<'a, Result<Option<Timestamp>, StoreError>> {
        ready(Ok(self.world().pass(rate, self.clock.now())))
    }

    fn create_barrier<'a>(&'a self, key: &'a str, parties: u32, ttl: Duration) -> Boxed<'a, Result<bool, StoreError>> {
        let barrier = NewGroup { name: key.to_owned(), members: parties, ttl };
        ready(Ok(self.world().create_barrier(&barrier, self.clock.now())))
    }

    fn arrive<'a>(&'a self, key: &'a str, ttl: Duration) -> Boxed<'a, Result<Arrival, StoreError>> {
        let now = self.clock.now();
        let arrival = self.world().arrive(key, now + ttl, now);
        self.news.send_replace(());
        ready(Ok(arrival))
    }

    fn barrier<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<Option<u32>, StoreError>> {
        ready(Ok(self.left(key)))
    }

    fn wait_open<'a>(&'a self, key: &'a str) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut news = self.news.subscribe();
            while self.left(key) != Some(0) {
                // The sender lives in `self`, so the channel cannot close under us.
                let _ = news.changed().await;
            }
        })
    }
}
