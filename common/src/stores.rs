//! The stores that come along, and how a URL chooses one.

mod looks;
pub mod memory;
pub mod redis;
mod surplus;

use std::sync::Arc;

use crate::broker::{Broker, Home};
use crate::clock::Clock;
use crate::error::{ConnectError, StoreError};
use crate::middlewares::callbacks::Callbacks;
use crate::middlewares::results::Results;
use crate::middlewares::retries::Retries;
use crate::store::Inspect;

/// The namespace of dramatiq's keys, where nobody says otherwise.
pub const NAMESPACE: &str = "dramatiq";

impl Broker {
    /// Connects to the broker at a URL, with [`Results`], [`Callbacks`] and [`Retries`] as its middleware.
    ///
    /// | URL | what it is |
    /// | --- | --- |
    /// | `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]` | a Redis, shared with Python's dramatiq |
    /// | `memory:` | a broker of its own inside of this process, for tests and demonstrations |
    ///
    /// A Redis URL may end with `?namespace=NAME`; dramatiq's own namespace is [`NAMESPACE`].
    ///
    /// # Errors
    ///
    /// [`ConnectError::Url`] names the part of the URL that is wrong, [`ConnectError::Unreachable`] what happened.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let (url, namespace) = match url.rsplit_once("?namespace=") {
            Some((url, namespace)) if !namespace.is_empty() => (url, namespace),
            Some((url, _)) => {
                return Err(ConnectError::Url {
                    url: without_password(url),
                    reason: "its namespace is empty".to_owned(),
                });
            }
            None => (url, NAMESPACE),
        };
        let broker = Self::open(url, namespace, Clock::system()).await?;
        Ok(broker.with(Results::default()).with(Callbacks).with(Retries::default()))
    }

    /// Connects to the broker at a URL without any middleware, with a namespace and a clock of your own.
    ///
    /// # Errors
    ///
    /// As [`Broker::connect`].
    pub async fn open(url: &str, namespace: &str, clock: Clock) -> Result<Self, ConnectError> {
        let home = Home::start().map_err(|error| ConnectError::Unreachable {
            url: without_password(url),
            cause: StoreError::Refused(format!("no thread for its connections: {error}")),
        })?;
        let store: Arc<dyn Inspect> = match url.split_once(':') {
            Some(("memory", "")) => Arc::new(memory::MemoryStore::new(clock.clone())),
            Some(("redis", _)) => {
                let (url, namespace, clock) = (url.to_owned(), namespace.to_owned(), clock.clone());
                // Its connections live where they were made.
                Arc::new(home.run(async move { redis::RedisStore::connect(&url, &namespace, clock).await }).await?)
            }
            _ => {
                let reason = "it starts with no scheme that is known".to_owned();
                return Err(ConnectError::Url { url: without_password(url), reason });
            }
        };
        Ok(Self::new(store, namespace, clock, home))
    }
}

/// A URL as far as it may be shown: what stands before an `@` is a user and a password.
fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => format!("{}{}", &url[..scheme + 3], &url[at + 1..]),
        (None, Some(at)) => url[at + 1..].to_owned(),
        _ => url.to_owned(),
    }
}
