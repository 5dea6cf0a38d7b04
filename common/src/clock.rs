//! Where time comes from.
//!
//! Everything that depends on time asks a [`Clock`]: the real one, which follows the store's time, or a manual one that
//! a test advances. Nothing else in the library reads the machine's clock.

mod rfc3339;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::duration::millis;

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
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl From<Timestamp> for SystemTime {
    /// A time beyond what the system can tell is the Unix epoch.
    fn from(time: Timestamp) -> Self {
        let apart = Duration::from_millis(time.0.unsigned_abs());
        let there = if time.0 < 0 { UNIX_EPOCH.checked_sub(apart) } else { UNIX_EPOCH.checked_add(apart) };
        there.unwrap_or(UNIX_EPOCH)
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
///
/// On Redis it is the server's time, learnt anew with every answer that carries it. In between, the time that has passed since
/// such an answer is measured by the machine's monotonic clock, which nobody sets: whatever becomes of the machine's idea of
/// the time of day, what is delayed by five seconds comes after five seconds. A machine that was suspended, whose monotonic clock
/// stood still, is right again after one answer.
///
/// A file and a process's memory have no time of their own: there it is the machine's time of day, which all that share them see
/// alike, and which goes on while nobody runs. Whoever sets it moves what is delayed.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

/// Stands for a store's time that nobody has learnt yet.
const UNKNOWN: i64 = i64::MIN;

/// Microseconds in a millisecond.
const MICROS: i64 = 1_000;

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[derive(Clone)]
enum Kind {
    /// The store's time, and the machine's as long as nobody has learnt that.
    Store {
        /// The store's time when the clock was `started`, in microseconds: what is cut off from it would come early.
        at_start: Arc<AtomicI64>,
        /// Measures time that passes evenly, whatever anybody does to the machine's clock.
        started: Stopwatch,
        machine: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    },
    /// A clock that stands until somebody advances it; sleepers watch it.
    Manual { now: watch::Sender<Timestamp> },
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { at_start, started, .. } => {
                f.debug_struct("Store").field("at_start", at_start).field("started", started).finish_non_exhaustive()
            }
            Self::Manual { now } => f.debug_struct("Manual").field("now", &now.borrow()).finish(),
        }
    }
}

impl Clock {
    /// The real time: this machine's clock until [`Clock::follow`] has told the store's.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    pub fn system() -> Self {
        Self::of_machine(SystemTime::now)
    }

    /// The same on a machine whose clock shows something else: for tests of what happens when somebody sets it.
    #[must_use]
    pub fn of_machine(time: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        let at_start = Arc::new(AtomicI64::new(UNKNOWN));
        Self(Kind::Store { at_start, started: Stopwatch::start(), machine: Arc::new(time) })
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
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::Store { machine, .. } => self.learnt().unwrap_or_else(|| machine().into()),
            Kind::Manual { now } => *now.borrow(),
        }
    }

    /// The store's time, if it was ever learnt.
    fn learnt(&self) -> Option<Timestamp> {
        let Kind::Store { at_start, started, .. } = &self.0 else { return None };
        let at_start = Some(at_start.load(Ordering::Relaxed)).filter(|known| *known != UNKNOWN)?;
        Some(Timestamp(at_start.saturating_add(micros(started.elapsed())).div_euclid(MICROS)))
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

    /// Learns the store's time from an answer that was asked for at this [uptime](Clock::uptime). A manual clock ignores it.
    ///
    /// The store may have read its time as soon as it was asked, and has cut off up to a millisecond; it is taken to have, so that
    /// what is planned by this clock never comes early by the store's. An answer that fits what is known changes nothing: a slow one
    /// must not set the clock forward.
    pub fn follow(&self, store: Timestamp, asked_at: Duration) {
        if let Kind::Store { at_start, started, .. } = &self.0 {
            let told = store.0.saturating_mul(MICROS);
            // Up to a microsecond is cut off as well, wherever time is measured.
            let earliest = told.saturating_sub(micros(started.elapsed()) + 1);
            let latest = told.saturating_add(MICROS + 1).saturating_sub(micros(asked_at));
            if !(earliest..=latest).contains(&at_start.load(Ordering::Relaxed)) {
                at_start.store(latest, Ordering::Relaxed);
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
        clock.follow(store, clock.uptime());
        assert!(clock.now().since(store) < Duration::from_secs(60));
        assert!(clock.now() >= store);
    }

    #[test]
    fn the_clock_is_never_behind_the_stores() {
        let (epoch, store) = (Timestamp::from_millis(1_800_000_000_000), Stopwatch::start());
        let pass = |micros| {
            let watch = Stopwatch::start();
            while watch.elapsed() < Duration::from_micros(micros) {}
        };
        // Whatever the clocks cut off, and however long the answer takes.
        for micros in (0..3_000).step_by(37) {
            let clock = Clock::system();
            pass(micros);
            let asked_at = clock.uptime();
            let told = epoch + store.elapsed();
            pass(micros);
            clock.follow(told, asked_at);
            for _ in 0..30 {
                let time = epoch + store.elapsed();
                assert!(clock.now() >= time, "{:?} behind after {micros} us", time.since(clock.now()));
                pass(50);
            }
        }
    }

    #[test]
    fn a_slow_reading_does_not_set_the_clock_forward() {
        let clock = Clock::system();
        let at_start = || match &clock.0 {
            Kind::Store { at_start, .. } => at_start.load(Ordering::Relaxed),
            Kind::Manual { .. } => 0,
        };
        clock.follow(clock.now() + Duration::from_secs(3_600), clock.uptime());
        let (before, known) = (clock.now(), at_start());
        clock.follow(before, Duration::ZERO);
        assert_eq!(at_start(), known);
        clock.follow(before + Duration::from_secs(60), clock.uptime());
        assert!(clock.now() >= before + Duration::from_secs(60));
    }

    /// A machine whose clock is moved by so many milliseconds.
    fn stepping() -> (Clock, Arc<AtomicI64>) {
        let step = Arc::new(AtomicI64::new(0));
        let machine = step.clone();
        let clock = Clock::of_machine(move || {
            UNIX_EPOCH + Duration::from_millis(u64::try_from(10_000_000 + machine.load(Ordering::Relaxed)).unwrap())
        });
        (clock, step)
    }

    #[test]
    fn a_machine_whose_clock_is_set_does_not_move_the_stores_time() {
        let (clock, step) = stepping();
        let store = Timestamp::from_millis(1_800_000_000_000);
        clock.follow(store, clock.uptime());
        for hours in [1, -1, 0] {
            step.store(hours * 3_600_000, Ordering::Relaxed);
            assert!(clock.now() >= store && clock.now().since(store) < Duration::from_secs(60), "{hours}");
        }
    }

    #[test]
    fn one_answer_sets_right_a_machine_that_was_suspended() {
        // Its monotonic clock stood still for an hour, as that of the store did not.
        let (clock, _) = stepping();
        let store = Timestamp::from_millis(1_800_000_000_000);
        clock.follow(store, clock.uptime());
        let later = store + Duration::from_secs(3_600);
        clock.follow(later, clock.uptime());
        assert!(clock.now() >= later && clock.now().since(later) < Duration::from_secs(60));
    }

    #[test]
    fn before_any_answer_the_machines_clock_counts() {
        let (clock, step) = stepping();
        step.store(500, Ordering::Relaxed);
        assert_eq!(clock.now(), Timestamp::from_millis(10_000_500));
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
