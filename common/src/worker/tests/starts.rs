//! A marked message runs once its start is recorded, whatever became of that call: it is no worse off than in any other outage.

use super::sleepy::{Starts, unreachable};
use super::twice::until;
use super::*;
use crate::error::StoreError;

impl Stage {
    /// Lies at the head of the queue, and is marked: a worker has died that may have been running it.
    fn marked(&self, number: i64) {
        self.enqueue([number]);
        let victim = at_once(self.scene.store.register(&[QueueName::default()])).unwrap();
        assert_eq!(self.fetch(&victim, 1).len(), 1);
        self.take_over_from_the_silent();
    }

    /// Waits until its start was tried so often.
    async fn tries_to_start(&self, times: usize) {
        until(&self.sleepy.starting, &format!("a start is recorded for time {times}"), |calls| *calls >= times).await;
    }

    /// Deaths and mark of what the peer finds ready.
    fn found_by_the_peer(&self) -> Vec<(u32, bool)> {
        self.fetch(&self.peer, 9).iter().map(|delivery| (delivery.crashes, delivery.marked)).collect()
    }

    /// The worker sleeps, the peer takes it for dead and takes over; deaths and mark of what that brings.
    fn taken_over(&self) -> Vec<(u32, bool)> {
        self.sleepy.asleep.send_replace(true);
        let watch = Stopwatch::start();
        loop {
            self.take_over_from_the_silent();
            // A beat may have been on its way.
            let found = self.found_by_the_peer();
            if !found.is_empty() {
                return found;
            }
            assert!(watch.elapsed() < DEADLINE, "it is not taken for dead");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_recorded_waits_holds_up_nothing_plain_and_runs_once_it_can() {
    let refused = StoreError::Refused("as the test wants it".to_owned());
    for starts in [Starts::Fail(unreachable()), Starts::Fail(refused), Starts::AreUnanswered] {
        let stage = Stage::with_workers_in_real_time();
        stage.marked(WAITING);
        stage.sleepy.starts.send_replace(starts);
        let (stopper, worker) = stage.start(1);
        stage.tries_to_start(2).await;
        // In the one slot that there is.
        stage.enqueue(1..=3);
        stage.settle("what is plain has run", |counts| (counts.ready, counts.claimed) == (0, 1)).await;
        assert_eq!(stage.started(), [1, 2, 3]);
        stage.sleepy.starts.send_replace(Starts::Pass);
        stage.settle_started(4).await;
        stage.scene.open_gate();
        stage.settle("it has ended", |counts| counts == Counts::default()).await;
        stopper.stop();
        assert_eq!(worker.await.unwrap(), Shutdown::Clean);
        assert_eq!(stage.started(), [1, 2, 3, WAITING], "once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_recorded_twice_counts_as_one_when_its_worker_dies() {
    let stage = Stage::with_workers_in_real_time();
    stage.marked(OBEDIENT);
    stage.sleepy.starts.send_replace(Starts::AreUnanswered);
    let (stopper, worker) = stage.start(1);
    stage.tries_to_start(1).await;
    assert_eq!(stage.started(), [0; 0], "nobody knows whether it is recorded");
    stage.sleepy.starts.send_replace(Starts::Pass);
    stage.tries_to_start(2).await;
    stage.settle_started(1).await;
    assert_eq!(stage.taken_over(), [(1, true)]);
    stage.sleepy.asleep.send_replace(false);
    stage.settle("it is told", |_| stage.scene.told() == [(OBEDIENT, true)]).await;
    stopper.stop();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_recorded_goes_back_with_the_stop_and_counts_for_nothing() {
    for starts in [Starts::Fail(unreachable()), Starts::AreUnanswered] {
        let stage = Stage::with_workers_in_real_time();
        stage.marked(1);
        stage.sleepy.starts.send_replace(starts);
        let (stopper, worker) = stage.start(1);
        stage.tries_to_start(1).await;
        stopper.stop();
        assert_eq!(worker.await.unwrap(), Shutdown::Clean);
        assert_eq!(stage.started(), [0; 0]);
        assert_eq!(stage.found_by_the_peer(), [(0, true)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_after_the_stop_goes_back_and_does_not_run() {
    let stage = Stage::with_workers_in_real_time();
    stage.marked(1);
    stage.sleepy.starts.send_replace(Starts::AreHeldUp);
    let (stopper, worker) = stage.start(1);
    stage.tries_to_start(1).await;
    stage.enqueue([2]);
    stage.settle("another one waits", |counts| (counts.ready, counts.claimed) == (0, 2)).await;
    stopper.stop();
    stage.settle("that one is back", |counts| (counts.ready, counts.claimed) == (1, 1)).await;
    stage.sleepy.starts.send_replace(Starts::Pass);
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
    assert_eq!(stage.started(), [0; 0]);
    assert_eq!(stage.found_by_the_peer(), [(0, true), (0, false)], "and lies before it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_while_its_start_was_recorded_does_not_run_here() {
    let stage = Stage::with_workers_in_real_time();
    stage.marked(WAITING);
    stage.sleepy.starts.send_replace(Starts::AreHeldUp);
    let (stopper, worker) = stage.start(1);
    stage.tries_to_start(1).await;
    assert_eq!(stage.taken_over(), [(0, true)]);
    stage.sleepy.starts.send_replace(Starts::Pass);
    stage.sleepy.asleep.send_replace(false);
    stage.enqueue([1]);
    stage.settle("its slot has run another one", |counts| (counts.ready, counts.claimed) == (0, 1)).await;
    assert_eq!(stage.started(), [1]);
    stopper.stop();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
}
