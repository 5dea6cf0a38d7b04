//! Ends that come when the claim is not the worker's any more.

use foldhash::HashSet;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::actor::{Cancellation, States};
use crate::worker::event::Event;
use crate::worker::executor::Executor;
use crate::worker::job::Job;
use crate::worker::local_queue::LocalQueue;
use crate::worker::registry::Registry;
use crate::worker::threads::Threads;
use crate::worker::unsupported_options::Warnings;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_late_end_of_what_was_requeued_counts_for_nothing() {
    a_late_end_counts_for_nothing(|queue, claim| {
        queue.close();
        assert_eq!(queue.abandon(), 1);
        assert_eq!(completions(queue, true), [Completion::release(claim.clone())]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_late_end_of_what_was_lost_counts_for_nothing() {
    a_late_end_counts_for_nothing(|queue, claim| {
        let lost = HashSet::from_iter([claim]);
        assert_eq!(queue.lose(&lost), (1, 0));
        assert_eq!(queue.lose(&lost), (0, 0), "it is taken out at once");
        assert_eq!((queue.running(), queue.busy()), (0, 1), "its actor goes on");
    })
    .await;
}

impl Stage {
    /// One slot, and what it tells the consumer.
    fn slot(&self) -> (Arc<Threads>, UnboundedReceiver<Event>) {
        let mut states = States::default();
        states.add(self.scene.clone()).unwrap();
        let registry = Arc::new(Registry::new(&[&ACTOR], &[]).unwrap());
        let (broker, states) = (self.broker.clone(), Arc::new(states));
        let executor = Executor {
            broker,
            registry,
            states,
            log_arguments: false,
            warnings: Warnings::default(),
            is_observed: false,
            reports_messages: false,
        };
        let (queue, events) = LocalQueue::new(1, None);
        (Threads::new(1, queue, executor, Some(Handle::current())), events)
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
        time_limit: None,
        is_told_of_stop: false,
        marked: false,
    }
}

async fn a_late_end_counts_for_nothing(take_away: impl FnOnce(&LocalQueue, &Claim)) {
    let stage = Stage::new();
    let (threads, _events) = stage.slot();
    let queue = threads.queue();
    let claim = Claim { queue: QueueName::default(), id: "id".into() };
    threads.start(queue.deliver([job(&claim, WAITING)]));
    let wanted = queue.wanted();
    take_away(queue, &claim);
    stage.scene.open_gate();
    // Its slot is free once more.
    let watch = Stopwatch::start();
    while queue.wanted() == wanted {
        assert!(watch.elapsed() < DEADLINE, "it ends");
        tokio::task::yield_now().await;
    }
    assert_eq!(completions(queue, true), []);
}
