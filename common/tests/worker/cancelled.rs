//! Messages that somebody cancels.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use common::actor;
use common::actor::{Context, actors};
use common::broker::Broker;
use common::clock::Stopwatch;
use common::message::Message;
use common::queue_name::QueueName;
use common::store::{BEAT_INTERVAL, Cancelled};

use super::kit::{Told, broker, ears, next, start, tell};

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs until it is cancelled, and fails or not.
#[actor(max_retries = 5)]
async fn wait_for_it(context: &Context, told: &Told, fails: bool) -> Result<(), &'static str> {
    tell(told, "begun");
    context.cancelled().await;
    tell(told, "cancelled");
    if fails { Err("interrupted") } else { Ok(()) }
}

/// The same on a thread of its own.
#[actor(max_retries = 5)]
fn look_for_it(context: &Context, told: &Told) -> Result<(), &'static str> {
    tell(told, "begun");
    let watch = Stopwatch::start();
    while !context.is_cancelled() && watch.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    tell(told, "cancelled");
    Err("interrupted")
}

async fn cancel(broker: &Broker, message: &Message) -> Option<Cancelled> {
    let found = broker.find(message.message_id.as_str(), 0).await.unwrap();
    broker.cancel(&found[0], "cancelled by hand").await.unwrap()
}

/// Lets the worker beat until the actor hears of it.
fn hear(broker: &Broker, heard: &Receiver<String>) {
    broker.clock().advance(BEAT_INTERVAL);
    assert_eq!(next(heard), "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_actor_sees_its_cancellation_and_is_not_retried() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![wait_for_it, look_for_it], told);
    for message in [wait_for_it::message(true).untyped(), look_for_it::message().untyped()] {
        let sent = message.send(&broker).await.unwrap();
        assert_eq!(next(&heard), "begun");
        assert!(matches!(cancel(&broker, &sent).await, Some(Cancelled::Claimed { .. })));
        hear(&broker, &heard);
    }
    worker.settle("both are dead", |counts| counts.dead == 2 && counts.claimed == 0).await;
    for letter in broker.dead_letters(&QueueName::default(), 0, 9).await.unwrap() {
        assert_eq!(letter.reason.as_deref(), Some("cancelled while it ran: interrupted"));
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_that_ends_well_is_done() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![wait_for_it], told);
    let sent = wait_for_it::send(&broker, false).await.unwrap();
    assert_eq!(next(&heard), "begun");
    cancel(&broker, &sent).await;
    hear(&broker, &heard);
    worker.settle("nothing is left", |counts| counts == common::store::Counts::default()).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_has_fetched_and_not_begun_does_not_begin() {
    let broker = broker().await;
    let (told, heard) = ears();
    let worker = start(&broker, actors![wait_for_it], told);
    let running = [wait_for_it::send(&broker, false).await.unwrap(), wait_for_it::send(&broker, false).await.unwrap()];
    assert_eq!((next(&heard), next(&heard)), ("begun".to_owned(), "begun".to_owned()));
    let waiting = wait_for_it::send(&broker, false).await.unwrap();
    worker.settle("the worker has fetched it", |counts| counts.claimed == 3).await;
    assert!(matches!(cancel(&broker, &waiting).await, Some(Cancelled::Claimed { .. })));
    broker.clock().advance(BEAT_INTERVAL);
    worker.settle("it is dead", |counts| counts.dead == 1).await;
    let letter = broker.dead_letters(&QueueName::default(), 0, 9).await.unwrap().remove(0);
    assert_eq!(letter.reason.as_deref(), Some("cancelled by hand"));
    for message in &running {
        cancel(&broker, message).await;
    }
    hear(&broker, &heard);
    assert_eq!(next(&heard), "cancelled");
    worker.settle("nothing runs", |counts| counts.claimed == 0).await;
    assert!(heard.try_recv().is_err(), "the third one never began");
    worker.stop().await;
}
