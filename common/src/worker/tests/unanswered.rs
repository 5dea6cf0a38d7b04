//! Ends that were stored, and whose answer is lost.

use super::lines::Lines;
use super::sleepy::{Ends, Sleepy};
use super::twice::until;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_is_stored_and_not_answered_is_no_loss_though_a_beat_finds_it_gone() {
    let stage = Stage::with_workers_in_real_time();
    let lines = Lines::of(&stage).await;
    let Sleepy { asleep, ends, beating, beats, finished, .. } = &stage.sleepy;
    let (stopper, worker) = stage.start(1);
    stage.enqueue([WAITING]);
    stage.settle_started(1).await;
    // A beat that names it is on its way, and arrives after its end.
    asleep.send_replace(true);
    let sent = *beating.borrow();
    until(beating, "it sends a beat", |beats| *beats > sent).await;
    ends.send_replace(Ends::AreUnanswered);
    stage.scene.open_gate();
    until(finished, "its end is stored", |finished| finished.contains(&Finished::Done)).await;
    let answered = *beats.borrow();
    asleep.send_replace(false);
    until(beats, "the beat is answered, and one more", |beats| *beats > answered + 1).await;
    ends.send_replace(Ends::Pass);
    stage.enqueue([1]);
    let have_ended =
        |finished: &Vec<Finished>| finished.iter().filter(|answer| **answer == Finished::Done).count() == 2;
    until(finished, "it goes on", have_ended).await;
    stopper.stop();
    assert_eq!(worker.await.unwrap(), Shutdown::Clean);
    assert_eq!(lines.with("rejected"), [""; 0]);
}
