//! In which order a worker requeues what it has not run.

use super::late::job;
use super::lines::Lines;
use super::*;
use crate::worker::local_queue::LocalQueue;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_when_the_rest_goes_back_lies_behind_it() {
    let stage = Stage::new();
    let lines = Lines::of(&stage).await;
    let (stopper, worker) = stage.start(2);
    stage.enqueue([WAITING, WAITING + 1, 1]);
    stage.settle("one waits", |counts| counts.claimed == 3).await;
    // And its worker has heard of it: what a fetch brings is held up from now on.
    stage.settle_started(2).await;
    stage.sleepy.slow.send_replace(true);
    stage.enqueue([2, 3]);
    stage.settle("two are on their way", |counts| (counts.ready, counts.claimed) == (0, 5)).await;
    stopper.stop();
    stage.settle("it stops", |_| !lines.with("shutting down: waiting for running messages (2)").is_empty()).await;
    stage.sleepy.slow.send_replace(false);
    stage.settle("all that waits is back", |counts| (counts.ready, counts.claimed) == (3, 2)).await;
    let back = stage.fetch(&stage.peer, 9);
    let numbers: Vec<i64> =
        back.iter().map(|delivery| delivery.body.as_ref().unwrap().args[0].read().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    stage.scene.open_gate();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
}

#[test]
fn what_went_back_before_what_arrived_earlier_lies_behind_it() {
    let (queue, _events) = LocalQueue::new(1, None);
    let claims = ["a", "b", "c", "d"].map(|id| Claim { queue: QueueName::default(), id: id.into() });
    let starts = queue.deliver(claims.iter().map(|claim| job(claim, WAITING)));
    assert_eq!(starts.len(), 1, "the first one runs");
    queue.cancel(&claims[2..3]);
    queue.close();
    assert_eq!(completions(&queue, false), [], "its ends go first, where the rest has to wait");
    queue.abandon();
    assert_eq!(completions(&queue, true), claims.map(Completion::release));
}
