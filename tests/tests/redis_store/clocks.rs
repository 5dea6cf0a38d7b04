//! Machines whose clocks are set while they are connected; in real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use common::clock::{Clock, Timestamp};
use common::message::option;
use common::store::{Inspect as _, State, Store as _};

use crate::rig::*;

const DELAY: Duration = Duration::from_secs(60);

/// What a busy machine may add; what the clock is set by is far more.
const SLACK: Duration = Duration::from_secs(30);

/// A machine's clock that is set by so many seconds.
fn settable() -> (Clock, Arc<AtomicI64>) {
    let seconds = Arc::new(AtomicI64::new(0));
    let set = seconds.clone();
    #[expect(clippy::disallowed_methods, reason = "it stands for the machine's clock")]
    let machine = move || {
        let by = set.load(Ordering::Relaxed);
        let now = SystemTime::now();
        if by < 0 { now - Duration::from_secs(by.unsigned_abs()) } else { now + Duration::from_secs(by.unsigned_abs()) }
    };
    (Clock::of_machine(machine), seconds)
}

async fn server_time(rig: &Rig) -> Timestamp {
    let (seconds, micros): (i64, i64) = rig.redis(&["TIME"]).await;
    Timestamp::from_millis(seconds * 1_000 + micros / 1_000)
}

#[tokio::test]
async fn a_sender_whose_host_sets_its_clock_keeps_its_delays() {
    let rig = Rig::new().await;
    let (clock, seconds) = settable();
    let store = tests::redis::store(&tests::redis::url(), &rig.namespace, &clock).await;
    for (number, by) in [(1, 3_600), (2, -3_600), (3, 0)] {
        seconds.store(by, Ordering::Relaxed);
        let before = server_time(&rig).await;
        let eta = (clock.now() + DELAY).as_millis();
        let message = with_option(message("default", number), option::ETA, eta);
        store.enqueue(std::slice::from_ref(&message)).await.unwrap();
        let found = store.find(message.message_id.as_str(), 1).await.unwrap();
        let [State::Delayed { due }] = found.iter().map(|info| &info.state).collect::<Vec<_>>()[..] else {
            panic!("{found:?}")
        };
        assert!(*due >= before + DELAY, "early, with a clock set by {by} s");
        assert!(due.since(before) < DELAY + SLACK, "late by {:?}, with a clock set by {by} s", due.since(before));
    }
}

#[tokio::test]
async fn a_sender_learns_the_servers_time_by_sending() {
    let rig = Rig::new().await;
    let (clock, _) = settable();
    let store = tests::redis::store(&tests::redis::url(), &rig.namespace, &clock).await;
    // As on a host that was suspended for an hour, or with a server that another one has taken over from.
    clock.follow(server_time(&rig).await + Duration::from_secs(3_600), clock.uptime());
    store.enqueue(&[message("default", 1)]).await.unwrap();
    let now = server_time(&rig).await;
    assert!(clock.now().since(now) < SLACK, "ahead by {:?}", clock.now().since(now));
}
