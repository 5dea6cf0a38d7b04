//! How an idle worker hears of news.

use std::future::Future;
use std::time::Duration;

use super::{DEADLINE, Fixture, numbers};
use crate::store::{Disposition, Effect, Wake};

pub(super) async fn in_time<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let Ok(done) = tokio::time::timeout(DEADLINE, wait).await else { panic!("{what}: nothing after {DEADLINE:?}") };
    done
}

/// No wake-up is lost between looking and waiting.
pub async fn waiting_ends_at_once_when_something_is_ready(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let queues = [fixture.queue.clone()];
    assert_eq!(in_time("a message is there", fixture.store.wait(&queues, None)).await, Wake::Ready);
}

/// From this process or another; each of several in a row, and one of a priority too.
pub async fn waiting_ends_when_a_message_comes(fixture: &Fixture) {
    let worker = fixture.worker().await;
    worker.beat(&[]).await;
    let other = fixture.other_worker().await;
    let queues = [fixture.queue.clone()];
    for number in 1..=4 {
        let sender = if number % 2 == 0 { &fixture.store } else { &other.store };
        let message = fixture.prioritised(number, number % 3 - 1);
        let waiting = tokio::spawn({
            let (store, queues) = (fixture.store.clone(), queues.clone());
            async move { store.wait(&queues, None).await }
        });
        tokio::task::yield_now().await;
        sender.enqueue(&[message]).await.expect("enqueue");
        assert_eq!(in_time("a message came", waiting).await.expect("the wait"), Wake::Ready);
        assert_eq!(numbers(&worker.fetch(9).await), [number]);
    }
}

/// A beat that is planned for the next due time would be too late for it.
pub async fn waiting_ends_when_something_comes_due_earlier(fixture: &Fixture) {
    let worker = fixture.worker().await;
    fixture.enqueue(&[fixture.delayed(1, Duration::from_secs(60))]).await;
    let queues = [fixture.queue.clone()];
    let known = worker.beat(&[]).await.next_due;
    assert!(known.is_some());
    let waiting = tokio::spawn({
        let (store, queues) = (fixture.store.clone(), queues.clone());
        async move { store.wait(&queues, known).await }
    });
    tokio::task::yield_now().await;
    fixture.enqueue(&[fixture.delayed(2, Duration::from_secs(5))]).await;
    assert_eq!(in_time("something is due earlier", waiting).await.expect("the wait"), Wake::Due);
}

/// Only a wait may be dropped; whoever asks next gets everything.
pub async fn a_wait_that_is_dropped_loses_nothing(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let queues = [fixture.queue.clone()];
    for _ in 0..5 {
        let waiting = fixture.store.wait(&queues, None);
        assert!(tokio::time::timeout(Duration::from_millis(5), waiting).await.is_err(), "nothing is there yet");
    }
    fixture.enqueue(&[fixture.message(1)]).await;
    assert_eq!(in_time("a message came", fixture.store.wait(&queues, None)).await, Wake::Ready);
    assert_eq!(numbers(&worker.fetch(9).await), [1]);
}

/// Whoever sends it; what goes after it keeps nobody awake, and what is there already ends it at once.
pub async fn waiting_for_a_priority_ends_when_something_goes_before_it(fixture: &Fixture) {
    let (worker, other) = (fixture.worker().await, fixture.other_worker().await);
    let queues = [fixture.queue.clone()];
    for (number, priority) in [(1, -1), (2, -7), (3, -1)] {
        fixture.enqueue(&[fixture.message(8), fixture.prioritised(9, 3)]).await;
        // It may end for nothing, while news of the fetch before are under way, and not for long.
        let moment = Duration::from_millis(5);
        let lasts = async || tokio::time::timeout(moment, fixture.store.wait_for_priority(&queues, 0)).await.is_err();
        in_time("none of these goes before it, so a wait lasts", async { while !lasts().await {} }).await;
        let waiting = tokio::spawn({
            let (store, queues) = (fixture.store.clone(), queues.clone());
            async move { store.wait_for_priority(&queues, 0).await }
        });
        tokio::task::yield_now().await;
        let sender = if number % 2 == 0 { &fixture.store } else { &other.store };
        sender.enqueue(&[fixture.prioritised(number, priority)]).await.expect("enqueue");
        in_time("one that goes before it came", waiting).await.expect("the wait");
        in_time("it is there", fixture.store.wait_for_priority(&queues, 0)).await;
        assert_eq!(numbers(&worker.fetch(1).await), [number]);
    }
    in_time("what has none goes before the worst", fixture.store.wait_for_priority(&queues, 3)).await;
}

/// Whoever stores it, in this process or another; and at once where it is there already.
pub async fn waiting_for_a_result_ends_when_it_is_stored(fixture: &Fixture) {
    let worker = fixture.other_worker().await;
    for number in 1..=3 {
        let message = fixture.message(number);
        let key = format!("result of {}", message.message_id);
        fixture.enqueue(&[message]).await;
        let claim = worker.fetch_one().await.claim;
        let waiting = tokio::spawn({
            let (store, key) = (fixture.store.clone(), key.clone());
            async move { store.wait_stored(&key).await }
        });
        let nobody = format!("no {key}");
        let another = fixture.store.wait_stored(&nobody);
        assert!(tokio::time::timeout(Duration::from_millis(5), another).await.is_err(), "nobody stores this");
        assert!(!waiting.is_finished(), "nothing is there yet");
        let effect = Effect::Store { key: key.clone(), value: vec![7], ttl: Duration::from_secs(60) };
        worker.finish_with(&claim, Disposition::Ack, vec![effect]).await;
        in_time("a result was stored", waiting).await.expect("the wait");
        in_time("it is there", fixture.store.wait_stored(&key)).await;
        assert_eq!(fixture.store.stored(&key).await, Ok(Some(vec![7])));
    }
}
