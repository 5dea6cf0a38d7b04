//! When bytes last moved on a connection, and calls that wait as long as they do.
//!
//! A limit on the time of a call would cut what is only large or far away, and cut it again when it is repeated. So what is
//! limited is silence: as long as bytes move, in either direction, every call on the connection goes on.
//!
//! What lies in buffers on the way, as in a tunnel, cannot be seen: a call gets time for its bytes beforehand.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clock::Stopwatch;

/// A used connection has a timer that is due within so much: less than any call's silence.
const PACE: Duration = Duration::from_secs(1);

/// How many bytes a second leave the buffers on the way at least.
const DRAIN: u32 = 1_000_000;

/// What a refusal begins with in TLS.
const ALERT: u8 = 0x15;

/// When bytes last moved on a connection.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    since: Stopwatch,
    /// In microseconds after `since`.
    moved: Arc<AtomicU64>,
    /// The first byte that was read.
    first: Arc<AtomicU8>,
    excused: Arc<Mutex<Excused>>,
}

/// The time that calls are given beforehand for what they send. All go the same way, one after the other, so it adds up.
#[derive(Debug, Default)]
struct Excused {
    /// Until when nothing has to move, in microseconds likewise.
    until: u64,
    /// What all calls take that are under way.
    under_way: u64,
}

/// The time of one call; given back when this is dropped.
struct Excuse<'a> {
    traffic: &'a Traffic,
    takes: u64,
}

impl Drop for Excuse<'_> {
    fn drop(&mut self) {
        let now = self.traffic.now();
        let mut excused = self.traffic.excused();
        excused.under_way -= self.takes;
        // All of this one has passed, so the others need no longer than by themselves.
        excused.until = excused.until.min(now.saturating_add(excused.under_way));
    }
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self { since: Stopwatch::start(), moved: Arc::default(), first: Arc::default(), excused: Arc::default() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Bytes have moved.
    pub(super) fn note(&self) {
        self.moved.store(self.now(), Ordering::Relaxed);
    }

    /// Bytes were read, the first of which is this one.
    pub(super) fn hear(&self, byte: u8) {
        if !self.has_heard() {
            self.first.store(byte, Ordering::Relaxed);
        }
        self.note();
    }

    /// Whether the other side has said anything.
    pub(super) fn has_heard(&self) -> bool {
        self.first.load(Ordering::Relaxed) != 0
    }

    /// Whether what the other side said first is TLS: that it does not go on.
    pub(super) fn has_heard_tls(&self) -> bool {
        self.first.load(Ordering::Relaxed) == ALERT
    }

    /// For how long nothing has moved that had to.
    fn silence(&self) -> Duration {
        let last = self.moved.load(Ordering::Relaxed).max(self.excused().until);
        Duration::from_micros(self.now().saturating_sub(last))
    }

    fn excused(&self) -> MutexGuard<'_, Excused> {
        // Nothing under this lock panics.
        self.excused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives time to a call that sends so many bytes, after those that are under way.
    fn excuse(&self, bytes: usize) -> Excuse<'_> {
        let takes =
            Duration::from_secs(1).mul_f64(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / f64::from(DRAIN));
        let takes = u64::try_from(takes.as_micros()).unwrap_or(u64::MAX);
        let now = self.now();
        let mut excused = self.excused();
        excused.until = excused.until.max(now).saturating_add(takes);
        excused.under_way += takes;
        Excuse { traffic: self, takes }
    }

    /// The same as [`Self::wait_for`], for work that sends so many bytes.
    pub(super) async fn wait_for_bytes<T>(
        &self,
        limit: Duration,
        bytes: usize,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let _excuse = self.excuse(bytes);
        self.wait_for(limit, work).await
    }

    /// Waits for `work` as long as bytes move; `None` after a silence of `limit`, which begins with the work at the earliest.
    pub(super) async fn wait_for<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let (mut work, begun, mut left, mut is_last) = (pin!(work), Stopwatch::start(), limit, false);
        loop {
            if let Ok(done) = timeout(left, work.as_mut()).await {
                return Some(done);
            }
            left = limit.saturating_sub(self.silence().min(begun.elapsed()));
            if left.is_zero() {
                if is_last {
                    return None;
                }
                // It may have been this thread that was busy; what has come meanwhile is read now.
                is_last = true;
                left = limit / 10;
            } else {
                is_last = false;
            }
        }
    }
}

/// Drives a connection to its end, and has a timer running while it is used. A timer that is earlier than all others has its runtime
/// wake itself up, by a write to the system and a turn of its loop; with this one, the timers of the calls never are.
pub(super) async fn drive(driver: impl Future<Output = ()>, traffic: Traffic) {
    let (mut driver, mut pace, mut seen) = (pin!(driver), interval(PACE), 0);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    poll_fn(|cx| {
        let is_over = driver.as_mut().poll(cx).is_ready();
        let moved = traffic.moved.load(Ordering::Relaxed);
        // Where nothing has moved since, nothing has to tick.
        if !is_over && moved != seen && pace.poll_tick(cx).is_ready() {
            seen = moved;
        }
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
