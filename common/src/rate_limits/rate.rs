//! How often something is done.

use std::time::Duration;

use super::{LimitError, LimitExceeded};
use crate::broker::Broker;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::store::{RateLimit, Within};

/// What was answered to an attempt.
fn passed(broker: &Broker, rate: &RateLimit, again: Result<Option<Timestamp>, StoreError>) -> Result<(), LimitError> {
    match again? {
        None => Ok(()),
        Some(again) => Err(LimitExceeded::new(&rate.key, Some(again.since(broker.clock().now()))).into()),
    }
}

/// The methods that both kinds have.
macro_rules! acquire {
    ($name:ident) => {
        impl $name {
            /// Lets one through, if there is room now; it counts from then on, whatever becomes of it.
            ///
            /// # Errors
            ///
            /// [`LimitError::Exceeded`] when the limit is reached, else what the store says.
            pub async fn acquire(&self, broker: &Broker) -> Result<(), LimitError> {
                let rate = self.0.clone();
                passed(broker, &self.0, broker.limited(|broker| broker.pass(rate)).await)
            }

            /// The same, from a thread that may wait: a sync actor.
            ///
            /// # Errors
            ///
            #[doc = concat!("As [`", stringify!($name), "::acquire`].")]
            pub fn acquire_blocking(&self, broker: &Broker) -> Result<(), LimitError> {
                let rate = self.0.clone();
                passed(broker, &self.0, broker.limited_blocking(|broker| broker.pass(rate)))
            }

            /// Lets one through as soon as there is room, within `timeout`; it does not wait at all where there will be none in time.
            /// Cancel safe.
            ///
            /// # Errors
            ///
            /// [`LimitError::Exceeded`] when the limit was reached all the time, else what the store says.
            pub async fn acquire_within(&self, broker: &Broker, timeout: Duration) -> Result<(), LimitError> {
                let rate = self.0.clone();
                let again = broker.limited_while_wanted(|broker| broker.pass_within(rate, timeout)).await;
                passed(broker, &self.0, again)
            }

            /// The same, from a thread that may wait: a sync actor.
            ///
            /// # Errors
            ///
            #[doc = concat!("As [`", stringify!($name), "::acquire_within`].")]
            pub fn acquire_within_blocking(&self, broker: &Broker, timeout: Duration) -> Result<(), LimitError> {
                let rate = self.0.clone();
                let again = broker.limited_blocking(|broker| broker.pass_within(rate, timeout));
                passed(broker, &self.0, again)
            }
        }
    };
}

/// Limits how often something is done from one full minute, say, to the next, in all processes.
///
/// It is one counter for each of these *buckets*, which begin at multiples of their length. What is done at the end of one and at the
/// beginning of the next one may be twice the limit within a moment; a [`Window`] lets no such burst through.
///
/// # Source
///
/// dramatiq 2.2, `BucketRateLimiter`, with its keys, so that both languages count the same. Differs: time is the server's, where there each
/// client goes by its own clock; what is denied is told when the bucket ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket(RateLimit);

impl Bucket {
    /// At most `limit` within each bucket of this length, in whole milliseconds.
    ///
    /// # Panics
    ///
    /// When `limit` is zero, or `bucket` is less than a millisecond.
    #[must_use]
    pub fn new(key: impl Into<String>, limit: u32, bucket: Duration) -> Self {
        assert!(limit > 0, "a limit is at least one");
        assert!(bucket >= Duration::from_millis(1), "a bucket lasts a millisecond at least");
        Self(RateLimit { key: key.into(), limit, within: Within::Bucket(bucket) })
    }
}

acquire!(Bucket);

/// Limits how often something is done within the last seconds, in all processes.
///
/// It is one counter for each second, and their sum: the longer the window, the more of them are read each time. The second that is now is one
/// of them, so a window of ten seconds is between nine and ten seconds long.
///
/// # Source
///
/// dramatiq 2.2, `WindowRateLimiter`, with its keys, so that both languages count the same. Differs: time is the server's, where there each
/// client goes by its own clock; what is denied is told when the oldest second leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window(RateLimit);

impl Window {
    /// At most `limit` within the last `seconds` seconds.
    ///
    /// # Panics
    ///
    /// When `limit` or `seconds` is zero.
    #[must_use]
    pub fn new(key: impl Into<String>, limit: u32, seconds: u32) -> Self {
        assert!(limit > 0, "a limit is at least one");
        assert!(seconds > 0, "a window lasts a second at least");
        Self(RateLimit { key: key.into(), limit, within: Within::Seconds(seconds) })
    }
}

acquire!(Window);
