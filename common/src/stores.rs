//! The stores that come along, and how a URL chooses one.

mod looks;
pub mod memory;

use std::sync::Arc;

use crate::broker::{Broker, Home};
use crate::clock::{Clock, Timestamp};
use crate::error::{ConnectError, StoreError};
use crate::middlewares::retries::Retries;
use crate::store::Inspect;

/// The namespace of dramatiq's keys, where nobody says otherwise.
pub const NAMESPACE: &str = "dramatiq";

impl Broker {
    /// Connects to the broker at a URL, with [`Retries`] as its middleware.
    ///
    /// | URL | what it is |
    /// | --- | --- |
    /// | `memory:` | a broker of its own inside of this process, for tests and demonstrations |
    ///
    /// # Errors
    ///
    /// [`ConnectError::Url`] names the part of the URL that is wrong, [`ConnectError::Unreachable`] what happened.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::open(url, NAMESPACE, Clock::system())
            .await
            .map(|broker| broker.with(Retries::default()))
    }

    /// Connects to the broker at a URL without any middleware, with a namespace and a clock of your own.
    ///
    /// # Errors
    ///
    /// As [`Broker::connect`].
    pub async fn open(url: &str, namespace: &str, clock: Clock) -> Result<Self, ConnectError> {
        let unreachable = |cause| ConnectError::Unreachable {
            url: url.to_owned(),
            cause,
        };
        let home = Home::start().map_err(|error| unreachable(StoreError::Refused(error.to_string())))?;
        let _ = namespace;
        let store: Arc<dyn Inspect> = match url.split_once(':') {
            Some(("memory", "")) => Arc::new(memory::MemoryStore::new(clock.clone())),
            _ => {
                let reason = "it starts with no scheme that is known".to_owned();
                return Err(ConnectError::Url {
                    url: url.to_owned(),
                    reason,
                });
            }
        };
        Ok(Self::new(store, clock, home))
    }
}

/// The start of time for tests: a fixed moment, so that what they print is the same every time.
#[must_use]
pub fn test_clock() -> Clock {
    Clock::manual(Timestamp::from_millis(1_800_000_000_000))
}
