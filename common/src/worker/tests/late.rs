//! Ends that come when the claim is not the worker's any more.

use foldhash::HashSet;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::actor::{Cancellation, Lendings};
use crate::worker::event::Event;
use crate::worker::pool::{Job, Pool};
use crate::worker::registry::Registry;
use crate::worker::slot::Runner;
use crate::worker::unsupported::Warnings;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_late_end_of_what_was_given_back_counts_for_nothing() {
    a_late_end_counts_for_nothing(|pool, claim| {
        pool.close();
        assert_eq!(pool.abandon(), 1);
        assert_eq!(pool.take_endings(true), [Ending::head(claim.clone())]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_late_end_of_what_was_lost_counts_for_nothing() {
    a_late_end_counts_for_nothing(|pool, claim| {
        let lost = HashSet::from_iter([claim]);
        assert_eq!(pool.lose(&lost), (1, 0));
        assert_eq!(pool.lose(&lost), (0, 0), "it is taken out at once");
        assert_eq!((pool.running(), pool.busy()), (0, 1), "its actor goes on");
    })
    .await;
}

impl Stage {
    /// A pool, and what it tells home.
    pub(super) fn pool(&self, threads: usize) -> (Arc<Pool>, UnboundedReceiver<Event>) {
        let mut lendings = Lendings::default();
        lendings.add(self.scene.clone()).unwrap();
        let registry = Arc::new(Registry::new(&[&ACTOR], &[]).unwrap());
        let (broker, lendings) = (self.broker.clone(), Arc::new(lendings));
        let runner = Runner { broker, registry, lendings, show_arguments: false, warnings: Warnings::default() };
        Pool::new(threads, None, Arc::new(runner), Some(Handle::current()))
    }
}

/// What a slot is given.
pub(super) fn job(claim: &Claim, number: i64) -> Job {
    Job {
        claim: claim.clone(),
        message: Arc::new(message(number)),
        actor: &ACTOR,
        cancellation: Cancellation::new(),
        priority: 0,
        crashes: 0,
        marked: false,
    }
}

async fn a_late_end_counts_for_nothing(take_away: impl FnOnce(&Pool, &Claim)) {
    let stage = Stage::new();
    let (pool, _events) = stage.pool(1);
    let claim = Claim { queue: QueueName::default(), id: "id".into() };
    pool.deliver([job(&claim, WAITING)]);
    let wanted = pool.wanted();
    take_away(&pool, &claim);
    stage.scene.open_gate();
    // Its slot is free once more.
    let watch = Stopwatch::start();
    while pool.wanted() == wanted {
        assert!(watch.elapsed() < DEADLINE, "it ends");
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.take_endings(true), []);
}
