//! A wrapper of a store that names a method which the trait does not have, or one which itself does not have.

use common::error::StoreError;
use common::queue_name::QueueName;
use common::store::{Boxed, Inspect, Store, delegate};
use common::stores::memory::MemoryStore;

#[derive(Debug)]
struct Misspelt(MemoryStore);

impl Store for Misspelt {
    delegate!(Store to self.0, except [enqeue]);
}

impl Inspect for Misspelt {
    delegate!(Inspect to self.0, except [pause]);
}

#[derive(Debug)]
struct Twice {
    store: MemoryStore,
}

impl Store for Twice {
    delegate!(Store to self.store);
}

impl Inspect for Twice {
    delegate!(Inspect to self.store);

    fn pause<'a>(&'a self, _queue: &'a QueueName, _paused: bool) -> Boxed<'a, Result<bool, StoreError>> {
        Box::pin(async { Ok(false) })
    }
}

fn main() {}
