//! A worker that stood still, lost what it ran, and fetched it once more: the first run must not speak for the second.

use super::sleepy::{Answers, Ends, Sleepy};
use super::*;

/// Waits for what a store has seen.
pub(super) async fn until<T>(value: &watch::Sender<T>, what: &str, is_so: impl FnMut(&T) -> bool) {
    let seen = async { value.subscribe().wait_for(is_so).await.map(|_| ()) };
    tokio::time::timeout(DEADLINE, seen).await.unwrap_or_else(|_| panic!("{what}: not in time")).unwrap();
}

impl Stage {
    /// Starts a worker of two slots that runs this message, and sleeps from then on.
    async fn running(&self, number: i64) -> (Stopper, JoinHandle<Shutdown>) {
        let worker = self.start(2);
        self.enqueue([number]);
        self.starts(1).await;
        self.sleepy.asleep.send_replace(true);
        self.sleepy.unwatched.send_replace(true);
        worker
    }

    /// The peer finds the worker dead, puts back what it ran, and fetches nothing itself. Then the worker goes on: its next beat
    /// reaches the store.
    async fn lose_and_wake(&self) {
        let is_back = |counts: Counts| {
            self.take_over_from_the_silent();
            (counts.ready, counts.claimed) == (1, 0)
        };
        self.settle("the peer has put it back", is_back).await;
        let Sleepy { asleep, beats, unwatched, .. } = &self.sleepy;
        let before = *beats.borrow();
        asleep.send_replace(false);
        until(beats, "it beats", |beats| *beats > before).await;
        unwatched.send_replace(false);
    }

    /// Waits until so many runs have begun.
    async fn starts(&self, runs: usize) {
        self.settle("it starts", |_| self.scene.told().len() >= runs).await;
    }

    /// Lets a short message run in the first slot, which is free only when what ran there has ended; and what that left, if it
    /// left anything, was stored before.
    async fn use_the_first_slot(&self) {
        self.enqueue([1]);
        self.settle("the first slot is free", |_| self.scene.told().contains(&(1, false))).await;
        self.settle("the second run holds it still", |counts| (counts.ready, counts.claimed) == (0, 1)).await;
    }

    /// The second run ends, and is the only one that counts.
    async fn ends_once(&self, (stopper, worker): (Stopper, JoinHandle<Shutdown>), number: i64) {
        self.scene.open_gate();
        self.settle("all have ended", |counts| counts == Counts::default()).await;
        stopper.stop();
        assert_eq!(worker.await.unwrap(), Shutdown::Clean);
        assert_eq!(self.scene.told(), [(number, true), (number, false), (1, false)]);
        assert_eq!(*self.sleepy.finished.borrow(), [Finished::Done, Finished::Done], "one end for each message");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_claim_was_lost_does_not_end_the_next_one() {
    let stage = Stage::new();
    let worker = stage.running(OBEDIENT).await;
    stage.lose_and_wake().await;
    stage.starts(2).await;
    stage.use_the_first_slot().await;
    stage.ends_once(worker, OBEDIENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beat_that_is_answered_late_does_not_speak_of_what_was_fetched_since() {
    let stage = Stage::new();
    let worker = stage.running(OBEDIENT).await;
    stage.sleepy.answers.send_replace(Answers::AreHeldUp);
    stage.lose_and_wake().await;
    stage.starts(2).await;
    let before = *stage.sleepy.beats.borrow();
    stage.sleepy.answers.send_replace(Answers::Come);
    stage.use_the_first_slot().await;
    stage.broker.clock().advance(BEAT_INTERVAL);
    until(&stage.sleepy.beats, "it beats once more", |beats| *beats > before).await;
    stage.ends_once(worker, OBEDIENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_fetched_once_more_was_lost_though_no_beat_has_told_so() {
    let stage = Stage::new();
    let worker = stage.running(OBEDIENT).await;
    stage.sleepy.answers.send_replace(Answers::AreLost);
    stage.lose_and_wake().await;
    stage.starts(2).await;
    stage.use_the_first_slot().await;
    stage.sleepy.answers.send_replace(Answers::Come);
    stage.ends_once(worker, OBEDIENT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_could_not_be_stored_does_not_end_the_next_run() {
    let stage = Stage::with_workers_in_real_time();
    let (stopper, worker) = stage.running(WAITING).await;
    stage.sleepy.ends.send_replace(Ends::Fail);
    stage.scene.open_gate();
    until(&stage.sleepy.tries, "its end is tried", |tries| *tries > 0).await;
    stage.scene.close_gate();
    stage.lose_and_wake().await;
    stage.starts(2).await;
    stage.sleepy.ends.send_replace(Ends::Pass);
    stage.enqueue([1]);
    let has_run = |counts: Counts| (counts.ready, counts.claimed) == (0, 1) && stage.scene.told().len() == 3;
    stage.settle("another one has run", has_run).await;
    until(&stage.sleepy.finished, "its end is stored", |finished| !finished.is_empty()).await;
    assert_eq!(*stage.sleepy.finished.borrow(), [Finished::Done], "the other one's");
    stage.scene.open_gate();
    stage.settle("all have ended", |counts| counts == Counts::default()).await;
    stopper.stop();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
    assert_eq!(*stage.sleepy.finished.borrow(), [Finished::Done, Finished::Done]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_on_its_way_that_arrives_after_all_spares_the_second_run() {
    let stage = Stage::new();
    let (stopper, worker) = stage.running(OBEDIENT).await;
    stage.sleepy.ends.send_replace(Ends::AreHeldUp);
    stage.scene.open_gate();
    until(&stage.sleepy.tries, "its end is on its way", |tries| *tries > 0).await;
    stage.scene.close_gate();
    stage.lose_and_wake().await;
    stage.starts(2).await;
    stage.sleepy.ends.send_replace(Ends::Pass);
    stage.settle("the message has ended", |counts| counts == Counts::default()).await;
    // Nobody opens the gate: the second run is told to stop.
    stage.settle("both have ended", |_| stage.scene.told() == [(OBEDIENT, false), (OBEDIENT, true)]).await;
    stopper.stop();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
    assert_eq!(*stage.sleepy.finished.borrow(), [Finished::Done], "and has no end of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_on_its_way_that_fails_once_its_claim_is_lost_is_not_tried_again() {
    an_end_that_comes_too_late_is_not_tried_again(Ends::Fail).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_on_its_way_that_is_refused_once_its_claim_is_lost_is_not_tried_again() {
    an_end_that_comes_too_late_is_not_tried_again(Ends::AreRefused).await;
}

async fn an_end_that_comes_too_late_is_not_tried_again(fate: Ends) {
    let stage = Stage::with_workers_in_real_time();
    let (stopper, worker) = stage.running(WAITING).await;
    let Sleepy { asleep, unwatched, ends, beating, tries, finished, .. } = &stage.sleepy;
    let next_beat = async || {
        let before = *beating.borrow();
        until(beating, "it sends a beat", |beats| *beats > before).await;
    };
    // One that names the claim is on its way, and then its end.
    next_beat().await;
    ends.send_replace(Ends::AreHeldUp);
    stage.scene.open_gate();
    until(tries, "its end is on its way", |tries| *tries > 0).await;
    stage.scene.close_gate();
    stage.take_over_from_the_silent();
    let taken = stage.fetch(&stage.peer, 9).remove(0);
    asleep.send_replace(false);
    unwatched.send_replace(false);
    // It has heard of its loss before it sends the next one.
    next_beat().await;
    stage.enqueue([1]);
    stage.starts(2).await;
    ends.send_replace(fate);
    until(tries, "the other one's end is tried", |tries| *tries > 1).await;
    assert_eq!(stage.finish(&taken, Disposition::Release), Finished::Done);
    stage.starts(3).await;
    ends.send_replace(Ends::Pass);
    until(finished, "the other one's end is stored", |finished| !finished.is_empty()).await;
    assert_eq!(*finished.borrow(), [Finished::Done], "and no other");
    stage.scene.open_gate();
    stage.settle("all have ended", |counts| counts == Counts::default()).await;
    stopper.stop();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
    assert_eq!(*finished.borrow(), [Finished::Done, Finished::Done]);
}
