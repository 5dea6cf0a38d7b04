//! Where time comes from.
//!
//! Everything that depends on time asks a [`Clock`]: the real one, which follows the store's time, or a manual one that
//! a test advances. Nothing else in the library reads the machine's clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// A point in time: milliseconds since the Unix epoch, the unit of dramatiq's wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// The time that lies `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    /// Parts of a millisecond are cut off, as dramatiq does. Saturates at the end of time.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::EPOCH + after,
            Err(before) => Self(i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis)),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The clock of one broker; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

/// Stands for a difference to the store's clock that nobody has learnt yet.
const UNKNOWN: i64 = i64::MIN;

#[derive(Clone, Debug)]
enum Kind {
    /// The machine's clock, moved by what the store's clock is ahead of it (milliseconds).
    /// `started` measures time that passes evenly, whatever anybody does to the machine's clock.
    Store { ahead: Arc<AtomicI64>, started: Stopwatch },
    /// A clock that stands until somebody advances it; sleepers watch it.
    Manual { now: watch::Sender<Timestamp> },
}

impl Clock {
    /// The real time: this machine's clock until [`Clock::follow`] has told how far the store's is ahead.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::Store { ahead: Arc::new(AtomicI64::new(UNKNOWN)), started: Stopwatch::start() })
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual { now: watch::Sender::new(start) })
    }

    /// Whether this clock moves by hand only.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        matches!(self.0, Kind::Manual { .. })
    }

    /// What time it is.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::Store { ahead, .. } => {
                let machine = Timestamp::from(SystemTime::now());
                match ahead.load(Ordering::Relaxed) {
                    UNKNOWN => machine,
                    ahead => Timestamp(machine.0.saturating_add(ahead)),
                }
            }
            Kind::Manual { now } => *now.borrow(),
        }
    }

    /// Time since some moment in the past that passes evenly: nobody sets it, and it never jumps, except by hand.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        match &self.0 {
            Kind::Store { started, .. } => started.elapsed(),
            Kind::Manual { now } => now.borrow().since(Timestamp::EPOCH),
        }
    }

    /// Moves a manual clock on by `duration` and wakes who sleeps on it.
    ///
    /// # Panics
    ///
    /// On the real clock, which nobody can move.
    pub fn advance(&self, duration: Duration) {
        match &self.0 {
            Kind::Store { .. } => panic!("only a manual clock can be advanced: make the broker with `Clock::manual`"),
            Kind::Manual { now } => now.send_modify(|now| *now = *now + duration),
        }
    }

    /// Learns the store's time from a reading that `took` so long, there and back. A manual clock ignores it.
    ///
    /// The store's time may have gone on since by up to all of that, and by the millisecond that a reading cuts off; it is
    /// taken to have, so that what is planned by this clock never comes early by the store's. A reading that fits what is
    /// known changes nothing: a slow one must not set the clock forward.
    #[expect(clippy::disallowed_methods, reason = "the difference to the machine's clock is what is learnt")]
    pub fn follow(&self, store: Timestamp, took: Duration) {
        if let Kind::Store { ahead, .. } = &self.0 {
            let machine = Timestamp::from(SystemTime::now());
            let (earliest, latest) = (store, store + took + Duration::from_millis(1));
            let known = match ahead.load(Ordering::Relaxed) {
                UNKNOWN => None,
                ahead => Some(Timestamp(machine.0.saturating_add(ahead))),
            };
            if known.is_none_or(|known| known < earliest || known > latest) {
                ahead.store(latest.0.saturating_sub(machine.0), Ordering::Relaxed);
            }
        }
    }

    /// Waits for `duration` by this clock. Cancel safe. Needs a tokio runtime with time enabled.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration).await;
    }

    /// Waits until it is `time` by this clock; not at all where that is past. Cancel safe.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that sleeps")]
    pub async fn sleep_until(&self, time: Timestamp) {
        match &self.0 {
            Kind::Store { .. } => tokio::time::sleep(time.since(self.now())).await,
            Kind::Manual { now } => {
                // The sender lives in `self`, so the channel cannot close under us.
                let _ = now.subscribe().wait_for(|now| *now >= time).await;
            }
        }
    }
}

/// Measures how long something took, by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_by_hand_only() {
        let clock = Clock::manual(Timestamp::from_millis(1_000));
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now(), Timestamp::from_millis(2_500));
        clock.follow(Timestamp::from_millis(99), Duration::ZERO);
        assert_eq!(clock.now(), Timestamp::from_millis(2_500));
    }

    #[test]
    fn the_real_clock_follows_the_store() {
        let clock = Clock::system();
        let store = clock.now() + Duration::from_secs(3_600);
        clock.follow(store, Duration::from_millis(5));
        assert!(clock.now().since(store) < Duration::from_secs(60));
        assert!(clock.now() >= store);
    }

    #[test]
    fn a_slow_reading_does_not_set_the_clock_forward() {
        let clock = Clock::system();
        clock.follow(clock.now() + Duration::from_secs(3_600), Duration::ZERO);
        let before = clock.now();
        clock.follow(before, Duration::from_secs(30));
        assert!(clock.now().since(before) < Duration::from_secs(20));
        clock.follow(before + Duration::from_secs(60), Duration::ZERO);
        assert!(clock.now() >= before + Duration::from_secs(60));
    }

    #[tokio::test]
    async fn sleepers_on_a_manual_clock_wake_when_their_time_has_come() {
        let clock = Clock::manual(Timestamp::EPOCH);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(86_400)).await }
        });
        while !sleeper.is_finished() {
            clock.advance(Duration::from_secs(3_600));
            tokio::task::yield_now().await;
        }
        assert!(clock.now() >= Timestamp::from_millis(86_400_000));
    }

    #[test]
    fn parts_of_a_millisecond_are_cut_off() {
        assert_eq!(Timestamp::EPOCH + Duration::from_micros(1_234_500), Timestamp::from_millis(1_234));
    }
}
