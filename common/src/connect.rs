//! How a URL becomes a broker.

use std::sync::Arc;

use crate::broker::{Broker, IoThread};
use crate::clock::Clock;
use crate::error::{ConnectError, StoreError};
use crate::store::Inspect;
use crate::stores::NAMESPACE;
use crate::stores::memory::MemoryStore;
use crate::stores::redis::RedisStore;
#[cfg(feature = "sqlite")]
use crate::stores::sqlite::{SqliteStore, Synchronous};
use crate::url::{BrokerUrl, Place, without_password};

impl Broker {
    /// Connects to the broker at a URL, [with the usual middleware](Broker::with_defaults).
    ///
    /// | URL | what it is |
    /// | --- | --- |
    /// | `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]` | a Redis, shared with Python's dramatiq |
    /// | `sqlite:PATH` | a file, shared by processes of one machine (cargo feature `sqlite`) |
    /// | `memory:` | a broker of its own inside of this process, for tests and demonstrations |
    ///
    /// After a `?`, options follow: `namespace=NAME` (dramatiq's own is [`NAMESPACE`]), and for SQLite `synchronous=full`, with
    /// which each commit waits for the disk.
    ///
    /// Spaces and line breaks around a URL do not count, as a secret file has them at its end. In a user or a password, `/`
    /// is written `%2F`, `?` `%3F`, `#` `%23`, `@` `%40` and `%` `%25`. No error shows anything that stands before the last
    /// `@` of a URL.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Url`] names the part of the URL that is wrong, [`ConnectError::Unreachable`] what happened.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Ok(open(url, None, Clock::system()).await?.with_defaults())
    }

    /// Connects to the broker at a URL without any middleware, with a namespace and a clock of your own. This namespace goes
    /// before one that the URL names.
    ///
    /// # Errors
    ///
    /// As [`Broker::connect`].
    pub async fn open(url: &str, namespace: &str, clock: Clock) -> Result<Self, ConnectError> {
        open(url, Some(namespace), clock).await
    }
}

async fn open(url: &str, namespace: Option<&str>, clock: Clock) -> Result<Broker, ConnectError> {
    let wrong = |reason| ConnectError::Url { url: without_password(url), reason };
    let unreachable = |cause| ConnectError::Unreachable { url: without_password(url), cause };
    let BrokerUrl { place, namespace: named } = BrokerUrl::parse(url).map_err(wrong)?;
    let namespace = namespace.map(ToOwned::to_owned).or(named).unwrap_or_else(|| NAMESPACE.to_owned());
    let io_thread = IoThread::start()
        .map_err(|error| unreachable(StoreError::Refused(format!("no thread for its connections: {error}"))))?;
    let store: Arc<dyn Inspect> = match place {
        Place::Memory => Arc::new(MemoryStore::new(clock.clone())),
        Place::Redis(url) => {
            let (namespace, clock) = (namespace.clone(), clock.clone());
            // Its connections live where they were made.
            Arc::new(io_thread.run(async move { RedisStore::connect(&url, &namespace, clock).await }).await?)
        }
        #[cfg(feature = "sqlite")]
        Place::Sqlite { path, full } => {
            let synchronous = if full { Synchronous::Full } else { Synchronous::Normal };
            let (namespace, clock) = (namespace.clone(), clock.clone());
            let open = move || SqliteStore::open(path.as_ref(), synchronous, &namespace, clock);
            // The file is read as a whole; no thread of the caller's runtime, if it has one, has to wait for that.
            let opened = io_thread.run(async { tokio::task::spawn_blocking(open).await }).await;
            let store = opened.map_err(|error| unreachable(StoreError::Refused(error.to_string())))?;
            Arc::new(store.map_err(unreachable)?)
        }
        #[cfg(not(feature = "sqlite"))]
        Place::Sqlite { .. } => {
            return Err(wrong("this program was built without the feature `sqlite` of `common`".to_owned()));
        }
    };
    Ok(Broker::new(store, &namespace, clock, io_thread))
}
