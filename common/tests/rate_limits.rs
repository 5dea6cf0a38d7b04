//! Limits, on a broker under a clock of the test's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::broker::Broker;
use common::clock::{Clock, Stopwatch, Timestamp};
use common::queue_name::QueueName;
use common::rate_limits::{Arrival, Barrier, BarrierState, Bucket, Concurrent, LimitError, Window};
use common::store::{Grant, Inspect, Slot, SlotLimit, Store, delegate};
use common::stores::memory::MemoryStore;
use common::testing::TestBroker;
use tokio::time::timeout;

/// Generous: what is waited for must come, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(20);

const MINUTE: Duration = Duration::from_secs(60);

/// The lease of a limit with the usual time to live.
const LEASE: Duration = Duration::from_secs(10);

fn is_exceeded<T>(answer: &Result<T, LimitError>) -> bool {
    matches!(answer, Err(LimitError::Exceeded(_)))
}

#[tokio::test]
async fn a_slot_is_given_back_when_its_guard_is_dropped() {
    let broker = TestBroker::new();
    let limit = Concurrent::new("three", 3);
    let mut guards = Vec::new();
    for _ in 0..3 {
        guards.push(limit.acquire(&broker).await.unwrap());
    }
    assert!(guards.windows(2).all(|pair| pair[0].fence() < pair[1].fence()), "{guards:?}");
    let denied = limit.acquire(&broker).await.unwrap_err();
    assert_eq!(denied.to_string(), "rate limit exceeded for `three`");
    let LimitError::Exceeded(denied) = denied else { panic!("{denied}") };
    assert_eq!((denied.key(), denied.again()), ("three", None));

    assert_eq!(guards.pop().unwrap().release().await, Ok(true));
    let guard = limit.acquire(&broker).await.unwrap();
    drop(guard);
    let guard = limit.acquire_within(&broker, PATIENCE).await.unwrap();
    assert!(is_exceeded(&limit.acquire_within(&broker, Duration::from_millis(1)).await));

    // A panic drops it as well.
    let panicked = tokio::spawn(async move {
        let _guard = guard;
        panic!("in the middle");
    });
    assert!(panicked.await.is_err());
    drop(limit.acquire_within(&broker, PATIENCE).await.unwrap());
}

#[test]
fn threads_without_a_runtime_hold_slots_too() {
    let broker = Broker::connect_blocking("memory:").unwrap();
    let limit = Concurrent::mutex("one").ttl(MINUTE);
    let guard = limit.acquire_blocking(&broker).unwrap();
    assert!(is_exceeded(&limit.acquire_blocking(&broker)));
    assert!(is_exceeded(&limit.acquire_within_blocking(&broker, Duration::from_millis(1))));
    let waiting = std::thread::spawn({
        let (broker, limit) = (broker.clone(), limit.clone());
        move || limit.acquire_within_blocking(&broker, PATIENCE).unwrap().release_blocking()
    });
    assert_eq!(guard.release_blocking(), Ok(true));
    assert_eq!(waiting.join().unwrap(), Ok(true));
}

#[tokio::test]
async fn who_waits_is_served_in_the_order_of_coming() {
    let broker = TestBroker::new();
    let limit = Concurrent::mutex("one");
    let guard = limit.acquire(&broker).await.unwrap();
    let order = Arc::<Mutex<Vec<u32>>>::default();
    let mut waiting = Vec::new();
    for number in 0..5 {
        let (broker, limit, order) = (Broker::clone(&broker), limit.clone(), order.clone());
        waiting.push(tokio::spawn(async move {
            let guard = limit.acquire_within(&broker, PATIENCE).await.unwrap();
            order.lock().unwrap().push(number);
            drop(guard);
        }));
        tokio::task::yield_now().await;
    }
    drop(guard);
    for waiting in waiting {
        waiting.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn who_stops_waiting_takes_no_slot() {
    let broker = TestBroker::new();
    let limit = Concurrent::mutex("one");
    for pause in 0..20 {
        let guard = limit.acquire(&broker).await.unwrap();
        let waiting = limit.acquire_within(&broker, PATIENCE);
        let released = async {
            Clock::system().sleep(Duration::from_millis(pause / 4)).await;
            guard.release().await.unwrap();
        };
        tokio::select! {
            biased;
            () = released => {}
            // It may be faster.
            guard = waiting => drop(guard.unwrap()),
        }
        // What it was granted at the last moment is given back.
        limit.acquire_within(&broker, PATIENCE).await.unwrap().release().await.unwrap();
    }
}

#[tokio::test]
async fn a_slot_that_was_not_renewed_in_time_is_lost() {
    let broker = TestBroker::new();
    let limit = Concurrent::mutex("one");
    let guard = limit.acquire(&broker).await.unwrap();
    broker.advance(LEASE / 2);
    assert!(!guard.is_lost());
    // As after a process was stopped.
    broker.advance(LEASE * 2);
    assert!(guard.is_lost());
    timeout(PATIENCE, guard.lost()).await.unwrap();
    let next = limit.acquire(&broker).await.unwrap();
    assert!(next.fence() > guard.fence());
    assert_eq!(guard.release().await, Ok(false));
    assert!(!next.is_lost() && is_exceeded(&limit.acquire(&broker).await));
}

#[tokio::test]
async fn all_guards_are_renewed_as_long_as_they_live() {
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    let store = MemoryStore::new(clock.clone());
    let broker = Broker::builder().clock(clock.clone()).on_store(store.clone()).unwrap();
    let guards = [
        Concurrent::mutex("long").acquire(&broker).await.unwrap(),
        Concurrent::mutex("short").ttl(Duration::from_secs(6)).acquire(&broker).await.unwrap(),
    ];
    let lease_ends = async |key: &str| {
        let of = SlotLimit { key: key.to_owned(), limit: 1, ttl: MINUTE };
        let slot = Slot { of, token: "another".to_owned() };
        match store.limiters().unwrap().acquire(&slot).await.unwrap() {
            Grant::Denied { again } => again,
            Grant::Granted { .. } => panic!("`{key}` is held"),
        }
    };
    for _ in 0..40 {
        clock.advance(Duration::from_millis(700));
        // Slots are renewed on the thread on which this call is made, and before it: the clock must not move on in the middle.
        broker.counts(&QueueName::default()).await.unwrap();
        for (key, lease) in [("long", LEASE), ("short", Duration::from_secs(2))] {
            let watch = Stopwatch::start();
            while lease_ends(key).await.since(clock.now()) < lease / 2 {
                assert!(watch.elapsed() < PATIENCE, "`{key}` is not renewed");
                tokio::task::yield_now().await;
            }
        }
        assert!(guards.iter().all(|guard| !guard.is_lost()));
    }
}

#[tokio::test]
async fn a_rate_is_waited_for_where_there_is_room_in_time() {
    let broker = TestBroker::new();
    let bucket = Bucket::new("bucket", 1, MINUTE);
    bucket.acquire(&broker).await.unwrap();
    let LimitError::Exceeded(denied) = bucket.acquire(&broker).await.unwrap_err() else { panic!("the store answers") };
    assert_eq!(denied.again(), Some(MINUTE), "the test's clock stands at the beginning of a minute");
    let hopeless = timeout(PATIENCE, bucket.acquire_within(&broker, MINUTE / 2)).await.unwrap();
    assert!(is_exceeded(&hopeless), "there is no room in time, so nothing is waited for");

    let window = Window::new("window", 2, 10);
    for _ in 0..2 {
        window.acquire(&broker).await.unwrap();
    }
    assert!(is_exceeded(&window.acquire(&broker).await));
    let waiting = [
        tokio::spawn({
            let broker = Broker::clone(&broker);
            async move { window.acquire_within(&broker, 2 * MINUTE).await }
        }),
        tokio::spawn({
            let broker = Broker::clone(&broker);
            async move { bucket.acquire_within(&broker, 2 * MINUTE).await }
        }),
    ];
    tokio::task::yield_now().await;
    broker.advance(MINUTE);
    for waiting in waiting {
        timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn parties_wait_for_each_other() {
    let broker = TestBroker::new();
    let barrier = Barrier::new("barrier");
    assert_eq!(barrier.state(&broker).await, Ok(BarrierState::Expired));
    assert_eq!(barrier.wait(&broker, PATIENCE).await, Ok(BarrierState::Expired), "for nothing, nobody waits");
    assert_eq!(barrier.create(&broker, 2).await, Ok(true));
    let waiting = tokio::spawn({
        let (barrier, broker) = (barrier.clone(), Broker::clone(&broker));
        async move { barrier.wait(&broker, PATIENCE).await }
    });
    assert_eq!(barrier.arrive(&broker).await, Ok(Arrival::Waiting(1)));
    assert_eq!(barrier.wait(&broker, Duration::from_millis(1)).await, Ok(BarrierState::Waiting(1)));
    assert_eq!(barrier.arrive(&broker).await, Ok(Arrival::Last));
    assert_eq!(waiting.await.unwrap(), Ok(BarrierState::Open));
    assert_eq!(barrier.arrive(&broker).await, Ok(Arrival::Open));
}

/// A store that keeps messages and nothing else.
#[derive(Debug)]
struct Plain(MemoryStore);

impl Store for Plain {
    delegate!(Store to self.0, except [limiters]);
}

impl Inspect for Plain {
    delegate!(Inspect to self.0);
}

#[tokio::test]
async fn a_store_without_limits_says_so() {
    let broker = Broker::builder().on_store(Plain(MemoryStore::new(Clock::system()))).unwrap();
    let refused = Concurrent::mutex("one").acquire(&broker).await.unwrap_err();
    assert_eq!(refused.to_string(), "the store refused: memory: keeps no limits");
    assert!(matches!(refused, LimitError::Store(_)));
}
