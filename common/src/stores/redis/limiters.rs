//! Limits and barriers, with dramatiq's keys, so that both languages count the same.
//!
//! | key (as it is, without the namespace) | type | content |
//! | --- | --- | --- |
//! | `K` of a limit on slots | string | how many are taken, by holders of both languages |
//! | `{K}@holders` | sorted set | *ours:* the holders of this library → when their leases end |
//! | `{K}@fence` | string | *ours:* the last number that was given with a slot |
//! | `K@MS` of a bucket, `K@SECOND` of a window | string | how often, in the bucket or second that began then |
//! | `K` and `K@events` of a barrier | string, list | how many parties are still to come; not empty once all are there |
//!
//! The braces are there where the key has no hash tag of its own.
//!
//! Every call first takes off the leases that are over, with their slots. Whatever the counter has beyond the holders that are known is
//! held by Python. Its time to live is not renewed then, so that a slot which Python has leaked is free once that is over; and a counter
//! whose time is nearly over begins anew with what is known, before it is gone. A counter that is below the known holders (a late release
//! of Python's) is raised to them.
//!
//! To wait for a slot is to be told of the counter's next change, as a waiting worker is told of a queue's.

use std::time::Duration;

use redis::Value;

use super::RedisStore;
use super::limits::CHUNK;
use super::scripts::{Script, read};
use super::wait_stored;
use crate::clock::{Clock, Timestamp};
use crate::error::StoreError;
use crate::store::{Arrival, Boxed, Grant, Limiters, RateLimit, Slot, SlotLimit, Within};

/// How long to wait before looking for a slot again where the server does not tell, at first and at most; it doubles.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// What the last party of a barrier is told.
const LAST: i64 = -1;

async fn acquire(store: &RedisStore, slot: &Slot) -> Result<Grant, StoreError> {
    let Slot { of, token } = slot;
    let mut call = store.script(&store.scripts.acquire);
    call.text(&of.key).number(of.limit).duration(of.ttl).duration(of.lease()).text(token);
    let (is_granted, number): (bool, i64) = call.run(&store.link).await?;
    Ok(if is_granted {
        Grant::Granted { fence: number.unsigned_abs() }
    } else {
        Grant::Denied { again: Timestamp::from_millis(number) }
    })
}

/// Asks of each slot whether it is held, and does with it what the script does.
async fn each(store: &RedisStore, script: &Script, slots: &[Slot]) -> Result<Vec<bool>, StoreError> {
    let mut answers = Vec::with_capacity(slots.len());
    for chunk in slots.chunks(CHUNK) {
        let mut call = store.script(script);
        for Slot { of, token } in chunk {
            call.text(&of.key).duration(of.ttl).duration(of.lease()).text(token);
        }
        let held: Vec<bool> = call.run(&store.link).await?;
        answers.extend(held);
    }
    Ok(answers)
}

async fn wait_free(store: &RedisStore, limit: &SlotLimit) {
    let get = || {
        let mut get = redis::cmd("GET");
        get.arg(&limit.key);
        get
    };
    // What is no number is nobody's slot.
    let is_free = |value: &Value| {
        let count = read::<Option<String>>(value.clone()).ok().flatten().and_then(|count| count.parse().ok());
        count.unwrap_or(0_i64) < i64::from(limit.limit)
    };
    match store.listen_for(&limit.key, &get(), is_free).await {
        Ok(true) => return,
        Ok(false) => {}
        Err(error) => tracing::debug!(target: "common::broker", "cannot listen: {error}"),
    }
    let mut pause = PAUSES.0;
    while store.link.call(&get()).await.is_ok_and(|value| !is_free(&value)) {
        Clock::system().sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn pass(store: &RedisStore, rate: &RateLimit) -> Result<Option<Timestamp>, StoreError> {
    let mut call = store.script(&store.scripts.pass);
    call.text(&rate.key).number(rate.limit);
    match rate.within {
        Within::Bucket(length) => call.text("bucket").duration(length.max(Duration::from_millis(1))),
        Within::Seconds(seconds) => call.text("seconds").number(seconds),
    };
    let again: Option<i64> = call.run(&store.link).await?;
    Ok(again.map(Timestamp::from_millis))
}

/// What the script answers to a command on a barrier.
async fn barrier(
    store: &RedisStore,
    command: &str,
    key: &str,
    ttl: Duration,
    parties: u32,
) -> Result<Option<i64>, StoreError> {
    let mut call = store.script(&store.scripts.barrier);
    call.text(key).text(command).duration(ttl).number(parties);
    Ok(call.run(&store.link).await?)
}

/// How many parties are left; others may have put a larger number there than ours know.
fn left(answer: i64) -> u32 {
    u32::try_from(answer).unwrap_or(u32::MAX)
}

impl Limiters for RedisStore {
    fn acquire<'a>(&'a self, slot: &'a Slot) -> Boxed<'a, Result<Grant, StoreError>> {
        Box::pin(acquire(self, slot))
    }

    fn renew<'a>(&'a self, slots: &'a [Slot]) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        Box::pin(each(self, &self.scripts.renew_slots, slots))
    }

    fn release<'a>(&'a self, slots: &'a [Slot]) -> Boxed<'a, Result<Vec<bool>, StoreError>> {
        Box::pin(each(self, &self.scripts.release_slots, slots))
    }

    fn wait_free<'a>(&'a self, limit: &'a SlotLimit) -> Boxed<'a, ()> {
        Box::pin(wait_free(self, limit))
    }

    fn pass<'a>(&'a self, rate: &'a RateLimit) -> Boxed<'a, Result<Option<Timestamp>, StoreError>> {
        Box::pin(pass(self, rate))
    }

    fn create_barrier<'a>(&'a self, key: &'a str, parties: u32, ttl: Duration) -> Boxed<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(barrier(self, "create", key, ttl, parties).await? == Some(1)) })
    }

    fn arrive<'a>(&'a self, key: &'a str, ttl: Duration) -> Boxed<'a, Result<Arrival, StoreError>> {
        Box::pin(async move {
            Ok(match barrier(self, "arrive", key, ttl, 0).await? {
                None => Arrival::Expired,
                Some(LAST) => Arrival::Last,
                Some(0) => Arrival::Open,
                Some(waiting) => Arrival::Waiting(left(waiting)),
            })
        })
    }

    fn barrier<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<Option<u32>, StoreError>> {
        Box::pin(async move { Ok(barrier(self, "look", key, Duration::ZERO, 0).await?.map(left)) })
    }

    fn wait_open<'a>(&'a self, key: &'a str) -> Boxed<'a, ()> {
        Box::pin(async move { wait_stored::run(self, &format!("{key}@events")).await })
    }
}
