//! What workers died with, and what runs beside it.

use super::late::job;
use super::*;
use crate::worker::job::Job;
use crate::worker::local_queue::LocalQueue;
use crate::worker::quarantine::PROBATION;

#[test]
fn what_may_start_passes_a_suspect_that_may_not() {
    let (queue, _events) = LocalQueue::new(4, None);
    let [first, suspect, second, plain] =
        ["first", "suspect", "second", "plain"].map(|id| Claim { queue: QueueName::default(), id: id.into() });
    let marked = |claim: &Claim, crashes| Job { marked: true, crashes, ..job(claim, 1) };
    let starts = queue.deliver([
        marked(&first, 0),
        marked(&suspect, SUSPECT_AFTER),
        marked(&second, SUSPECT_AFTER - 1),
        job(&plain, WAITING),
    ]);
    let started: Vec<_> = starts.into_iter().map(|(_, job)| job.claim).collect();
    assert_eq!(started, [plain]);
    let reserved: Vec<_> = queue.take_reserved().into_iter().map(|reserved| reserved.job.claim).collect();
    assert_eq!(reserved, [first, second]);
    assert_eq!((queue.running(), queue.is_held_up()), (3, true), "the suspect waits");
    assert!(queue.held_up_for().is_some_and(|left| left <= PROBATION));
    assert_eq!(queue.offer(), 1);
    assert_eq!(completions(&queue, true), [Completion::release(suspect)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspect_that_cannot_start_here_is_offered_before_the_next_beat_where_nothing_else_waits() {
    let stage = Stage::new();
    let (stopper, worker) = stage.with_two_suspects().await;
    let beats = *stage.sleepy.beating.borrow();
    let mut taken = Vec::new();
    let is_taken = |_| {
        taken = stage.fetch(&stage.peer, 9);
        !taken.is_empty()
    };
    stage.settle("it is offered", is_taken).await;
    assert_eq!((taken.len(), taken[0].crashes, *stage.sleepy.beating.borrow()), (1, 2, beats));
    stage.scene.open_gate();
    stage.settle("the other one has run", |counts| (counts.ready, counts.claimed) == (0, 1)).await;
    stopper.stop();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
}
