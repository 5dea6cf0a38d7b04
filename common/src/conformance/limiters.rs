//! Limits that many processes share, and barriers.

use std::sync::Arc;
use std::time::Duration;

use super::waiting::in_time;
use super::{DEADLINE, Fixture};
use crate::clock::{Stopwatch, Timestamp};
use crate::message::MessageId;
use crate::store::{Arrival, Grant, Inspect, Limiters, RateLimit, Slot, SlotLimit, Within};

const MINUTE: Duration = Duration::from_secs(60);

fn fresh_key(of: &str) -> String {
    format!("{of} {}", MessageId::random())
}

fn limiters(store: &Arc<dyn Inspect>) -> &dyn Limiters {
    store.limiters().expect("a store that keeps limits")
}

/// A limit, and those who want its slots.
struct Limit(SlotLimit);

impl Limit {
    fn of(limit: u32) -> Self {
        Self(SlotLimit { key: fresh_key("limit"), limit, ttl: MINUTE })
    }

    fn slot(&self, token: &str) -> Slot {
        Slot { of: self.0.clone(), token: token.to_owned() }
    }

    /// Takes a slot, and answers its number; or when one may be free.
    async fn take(&self, store: &Arc<dyn Inspect>, token: &str) -> Result<u64, Timestamp> {
        match limiters(store).acquire(&self.slot(token)).await.expect("acquire") {
            Grant::Granted { fence } => Ok(fence),
            Grant::Denied { again } => Err(again),
        }
    }

    async fn renew(&self, store: &Arc<dyn Inspect>, tokens: &[&str]) -> Vec<bool> {
        let slots: Vec<_> = tokens.iter().map(|token| self.slot(token)).collect();
        limiters(store).renew(&slots).await.expect("renew")
    }

    async fn release(&self, store: &Arc<dyn Inspect>, tokens: &[&str]) -> Vec<bool> {
        let slots: Vec<_> = tokens.iter().map(|token| self.slot(token)).collect();
        limiters(store).release(&slots).await.expect("release")
    }
}

/// By holders of all processes together; and other limits have nothing to do with it.
pub async fn no_more_slots_are_held_than_the_limit(fixture: &Fixture) {
    let (store, other) = (&fixture.store, (fixture.open)().await);
    let limit = Limit::of(2);
    assert!(limit.take(store, "a").await.is_ok());
    assert!(limit.take(&other, "b").await.is_ok());
    let again = limit.take(store, "c").await.expect_err("all are taken");
    assert!(again > fixture.clock.now() && again <= fixture.clock.now() + limit.0.lease(), "{again}");
    assert!(limit.take(&other, "d").await.is_err());
    assert!(Limit::of(1).take(store, "c").await.is_ok());

    assert_eq!(limit.release(&other, &["a"]).await, [true], "whoever knows the token may give it back");
    assert!(limit.take(&other, "d").await.is_ok());
    assert!(limit.take(store, "c").await.is_err());
    assert_eq!(limit.release(store, &["b", "d"]).await, [true, true]);
    assert!(limit.take(store, "e").await.is_ok() && limit.take(store, "f").await.is_ok());
}

/// Its lease ends, and the slot with it; nothing else has to happen for that.
pub async fn a_slot_that_nobody_renews_is_free_after_its_lease(fixture: &Fixture) {
    let (store, limit) = (&fixture.store, Limit::of(1));
    limit.take(store, "dead").await.expect("a slot");
    fixture.clock.advance(limit.0.lease() / 2);
    let again = limit.take(store, "next").await.expect_err("it is held");
    fixture.clock.advance(limit.0.lease() / 2);
    assert!(again <= fixture.clock.now());
    assert!(limit.take(store, "next").await.is_ok());
}

/// Each of many in one call.
pub async fn a_renewed_slot_is_held_on(fixture: &Fixture) {
    let (store, limit) = (&fixture.store, Limit::of(2));
    for token in ["a", "b"] {
        limit.take(store, token).await.expect("a slot");
    }
    // Long beyond its time to live.
    for _ in 0..20 {
        fixture.clock.advance(limit.0.lease() / 3);
        assert_eq!(limit.renew(store, &["a", "nobody", "b"]).await, [true, false, true]);
        assert!(limit.take(store, "c").await.is_err());
    }
    assert_eq!(limit.release(store, &["a"]).await, [true]);
    assert!(limit.take(store, "c").await.is_ok());
}

/// It learns that it has lost its own.
pub async fn a_late_holder_frees_no_slot_of_others(fixture: &Fixture) {
    let (store, limit) = (&fixture.store, Limit::of(1));
    limit.take(store, "late").await.expect("a slot");
    fixture.clock.advance(limit.0.lease());
    limit.take(store, "next").await.expect("the lease is over");
    assert_eq!(limit.renew(store, &["late"]).await, [false]);
    assert_eq!(limit.release(store, &["late"]).await, [false]);
    assert!(limit.take(store, "third").await.is_err(), "it is held by the next one");
    assert_eq!(limit.renew(store, &["next"]).await, [true]);

    // The same where nobody has come.
    fixture.clock.advance(limit.0.lease());
    assert_eq!(limit.renew(store, &["next"]).await, [false], "what is over does not come back");
    assert_eq!(limit.release(store, &["next"]).await, [false]);
    assert!(limit.take(store, "third").await.is_ok());
}

/// Even where the slot was given back, or lost, and nobody has held one for long.
pub async fn later_holders_have_larger_numbers(fixture: &Fixture) {
    let (store, limit, mut last) = (&fixture.store, Limit::of(2), 0);
    for round in 0..12_u32 {
        let token = format!("holder {round}");
        let fence = limit.take(store, &token).await.expect("a slot");
        assert!(fence > last, "{fence} after {last}");
        last = fence;
        match round % 3 {
            0 => fixture.clock.advance(limit.0.lease()),
            1 => drop(limit.release(store, &[&token]).await),
            _ => fixture.clock.advance(Duration::from_secs(7 * 24 * 60 * 60)),
        }
    }
}

/// When somebody gives one back, here or in another process; and at once where one is free.
pub async fn waiting_for_a_slot_ends_when_one_is_given_back(fixture: &Fixture) {
    let (store, other) = (&fixture.store, (fixture.open)().await);
    let limit = Limit::of(1);
    in_time("one is free", limiters(store).wait_free(&limit.0)).await;
    for from in [store, &other] {
        limit.take(from, "a").await.expect("a slot");
        let waiting = tokio::spawn({
            let (store, limit) = (store.clone(), limit.0.clone());
            async move { limiters(&store).wait_free(&limit).await }
        });
        let vain = limiters(store).wait_free(&limit.0);
        assert!(tokio::time::timeout(Duration::from_millis(5), vain).await.is_err(), "none is free");
        assert!(!waiting.is_finished(), "none is free");
        assert_eq!(limit.release(from, &["a"]).await, [true]);
        in_time("a slot was given back", waiting).await.expect("the wait");
    }
}

/// It is full until its end, and tells when that is; whose time has come begins at zero.
pub async fn a_bucket_lets_through_its_limit(fixture: &Fixture) {
    let (store, other) = (&fixture.store, (fixture.open)().await);
    let rate = RateLimit { key: fresh_key("bucket"), limit: 3, within: Within::Bucket(MINUTE) };
    for _ in 0..3 {
        let start = fixture.clock.now().as_millis().div_euclid(60_000) * 60_000;
        for store in [store, &other, store] {
            assert_eq!(limiters(store).pass(&rate).await, Ok(None));
        }
        let end = Timestamp::from_millis(start + 60_000);
        assert_eq!(limiters(&other).pass(&rate).await, Ok(Some(end)));
        assert_eq!(limiters(store).pass(&rate).await, Ok(Some(end)));
        fixture.clock.advance(end.since(fixture.clock.now()));
    }
}

/// However they lie in its seconds; and tells when the oldest of them leave.
pub async fn a_window_lets_through_its_limit(fixture: &Fixture) {
    let (store, other) = (&fixture.store, (fixture.open)().await);
    let rate = RateLimit { key: fresh_key("window"), limit: 4, within: Within::Seconds(10) };
    let second = Duration::from_secs(1);
    let began = Timestamp::from_millis(fixture.clock.now().as_millis().div_euclid(1_000) * 1_000);
    let pass = async |store: &Arc<dyn Inspect>| limiters(store).pass(&rate).await.expect("pass");
    assert_eq!(pass(store).await, None);
    fixture.clock.advance(4 * second);
    for store in [store, &other, store] {
        assert_eq!(pass(store).await, None);
    }
    fixture.clock.advance(5 * second);
    assert_eq!(pass(&other).await, Some(began + 10 * second), "the first one leaves");
    fixture.clock.advance(second);
    assert_eq!(pass(store).await, None);
    assert_eq!(pass(store).await, Some(began + 14 * second), "three leave at once");
    fixture.clock.advance(4 * second);
    for _ in 0..3 {
        assert_eq!(pass(store).await, None);
    }
    assert_eq!(pass(store).await, Some(began + 20 * second));
}

/// Of all that come at once, in any process; who comes later is told that it is open.
pub async fn one_party_of_a_barrier_is_the_last(fixture: &Fixture) {
    let (store, other) = (&fixture.store, (fixture.open)().await);
    let key = fresh_key("barrier");
    assert_eq!(limiters(store).barrier(&key).await, Ok(None));
    assert_eq!(limiters(store).create_barrier(&key, 8, MINUTE).await, Ok(true));
    assert_eq!(limiters(&other).create_barrier(&key, 3, MINUTE).await, Ok(false), "it stays as it is");
    let parties = (0..8).map(|number| {
        let (store, key) = (if number % 2 == 0 { store.clone() } else { other.clone() }, key.clone());
        tokio::spawn(async move { limiters(&store).arrive(&key, MINUTE).await.expect("arrive") })
    });
    let mut arrivals = Vec::new();
    for party in parties.collect::<Vec<_>>() {
        arrivals.push(party.await.expect("a party"));
    }
    assert_eq!(arrivals.iter().filter(|arrival| **arrival == Arrival::Last).count(), 1, "{arrivals:?}");
    for left in 1..8 {
        assert!(arrivals.contains(&Arrival::Waiting(left)), "{left}: {arrivals:?}");
    }
    assert_eq!(limiters(&other).arrive(&key, MINUTE).await, Ok(Arrival::Open));
    assert_eq!(limiters(store).barrier(&key).await, Ok(Some(0)));
}

/// It was never made, or its time is over.
pub async fn a_barrier_that_is_not_known_says_so(fixture: &Fixture) {
    let store = &fixture.store;
    let key = fresh_key("barrier");
    assert_eq!(limiters(store).arrive(&key, MINUTE).await, Ok(Arrival::Expired));
    assert_eq!(limiters(store).create_barrier(&key, 2, Duration::from_millis(1)).await, Ok(true));
    fixture.clock.advance(Duration::from_secs(1));
    let watch = Stopwatch::start();
    while limiters(store).barrier(&key).await != Ok(None) {
        assert!(watch.elapsed() < DEADLINE, "its time is over");
        tokio::task::yield_now().await;
    }
    assert_eq!(limiters(store).arrive(&key, MINUTE).await, Ok(Arrival::Expired));
    assert_eq!(limiters(store).create_barrier(&key, 2, MINUTE).await, Ok(true), "its name is free");
}

/// Whoever is the last; and at once where it is open.
pub async fn waiting_for_a_barrier_ends_when_it_opens(fixture: &Fixture) {
    let (store, other) = (&fixture.store, (fixture.open)().await);
    let key = fresh_key("barrier");
    limiters(store).create_barrier(&key, 2, MINUTE).await.expect("a barrier");
    let waiting = tokio::spawn({
        let (store, key) = (store.clone(), key.clone());
        async move { limiters(&store).wait_open(&key).await }
    });
    assert_eq!(limiters(&other).arrive(&key, MINUTE).await, Ok(Arrival::Waiting(1)));
    let vain = limiters(store).wait_open(&key);
    assert!(tokio::time::timeout(Duration::from_millis(5), vain).await.is_err(), "one is still to come");
    assert!(!waiting.is_finished(), "one is still to come");
    assert_eq!(limiters(&other).arrive(&key, MINUTE).await, Ok(Arrival::Last));
    in_time("it has opened", waiting).await.expect("the wait");
    in_time("it is open", limiters(store).wait_open(&key)).await;
}
