//! How a URL becomes a broker.

use std::sync::Arc;

use crate::broker::{Broker, BrokerBuilder, IoThread, NAMESPACE};
use crate::error::{ConnectError, StoreError};
use crate::store::Inspect;
use crate::stores::memory::MemoryStore;
#[cfg(feature = "redis")]
use crate::stores::redis::RedisStore;
#[cfg(feature = "sqlite")]
use crate::stores::sqlite::{SqliteStore, Synchronous};
use crate::url::{BrokerUrl, Place, without_password};

impl Broker {
    /// Connects to the broker at a URL, as [`Broker::builder`] makes it where it is told nothing.
    ///
    /// | URL | what it is |
    /// | --- | --- |
    /// | `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]` | a Redis, shared with Python's dramatiq (cargo feature `redis`, on by default) |
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
        Self::builder().connect(url).await
    }

    /// The same as [`Broker::connect`], from a thread that may wait: a plain `main`.
    ///
    /// # Errors
    ///
    /// As [`Broker::connect`].
    pub fn connect_blocking(url: &str) -> Result<Self, ConnectError> {
        Self::builder().connect_blocking(url)
    }
}

impl BrokerBuilder {
    /// Connects to the broker at [a URL](Broker::connect).
    ///
    /// # Errors
    ///
    /// As [`Broker::connect`].
    pub async fn connect(self, url: &str) -> Result<Broker, ConnectError> {
        open(url, self).await
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// As [`Broker::connect`].
    pub fn connect_blocking(self, url: &str) -> Result<Broker, ConnectError> {
        let thread = io_thread(url)?;
        let url = url.to_owned();
        thread.run_blocking(async move { open(&url, self).await })
    }
}

fn io_thread(url: &str) -> Result<IoThread, ConnectError> {
    let refused = |error: std::io::Error| StoreError::Refused(format!("no thread for its connections: {error}"));
    IoThread::start().map_err(|error| unreachable(url, refused(error)))
}

fn unreachable(url: &str, cause: StoreError) -> ConnectError {
    ConnectError::Unreachable { url: without_password(url), cause }
}

async fn open(url: &str, builder: BrokerBuilder) -> Result<Broker, ConnectError> {
    let wrong = |reason| ConnectError::Url { url: without_password(url), reason };
    let BrokerUrl { place, namespace: named } = BrokerUrl::parse(url).map_err(wrong)?;
    let namespace = builder.namespace.clone().or(named).unwrap_or_else(|| NAMESPACE.to_owned());
    let clock = builder.clock.clone();
    let io_thread = io_thread(url)?;
    let store: Arc<dyn Inspect> = match place {
        Place::Memory => Arc::new(MemoryStore::new(clock)),
        #[cfg(feature = "redis")]
        Place::Redis(url) => {
            let namespace = namespace.clone();
            // Its connections live where they were made.
            Arc::new(io_thread.run(async move { RedisStore::connect(&url, &namespace, clock).await }).await?)
        }
        #[cfg(feature = "sqlite")]
        Place::Sqlite { path, full } => {
            let synchronous = if full { Synchronous::Full } else { Synchronous::Normal };
            let namespace = namespace.clone();
            let open = move || SqliteStore::open(path.as_ref(), synchronous, &namespace, clock);
            // The file is read as a whole; no thread of the caller's runtime, if it has one, has to wait for that.
            let opened = io_thread.run(async { tokio::task::spawn_blocking(open).await }).await;
            let store = opened.map_err(|error| unreachable(url, StoreError::Refused(error.to_string())))?;
            Arc::new(store.map_err(|cause| unreachable(url, cause))?)
        }
        #[cfg(not(feature = "redis"))]
        Place::Redis(_) => {
            return Err(wrong("this program was built without the feature `redis` of `common`".to_owned()));
        }
        #[cfg(not(feature = "sqlite"))]
        Place::Sqlite { .. } => {
            return Err(wrong("this program was built without the feature `sqlite` of `common`".to_owned()));
        }
    };
    Ok(builder.on(store, &namespace, io_thread))
}
