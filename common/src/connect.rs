//! How a URL becomes a broker.

use std::sync::Arc;

use crate::broker::{Broker, BrokerBuilder, IoThread, NAMESPACE, Url};
use crate::clock::Clock;
use crate::error::{ConnectError, StoreError};
use crate::store::Inspect;
use crate::stores::memory::MemoryStore;
#[cfg(feature = "redis")]
use crate::stores::redis::{RedisStore, Server};
use crate::stores::split::SplitStore;
#[cfg(feature = "sqlite")]
use crate::stores::sqlite::{SqliteStore, Synchronous};
#[cfg(not(feature = "redis"))]
use crate::url::Way;
use crate::url::{BrokerUrl, Place, without_password};

impl Broker {
    /// Connects to the broker at a URL, as [`Broker::builder`] makes it where it is told nothing.
    ///
    /// | URL | what it is |
    /// | --- | --- |
    /// | `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]` | a Redis, shared with Python's dramatiq (cargo feature `redis`, on by default) |
    /// | `rediss://[[USER]:PASSWORD@]HOST[:PORT][/DB]` | the same with TLS (cargo feature `tls`) |
    /// | `redis+unix://[[USER]:PASSWORD@]/PATH` | a Redis at a Unix socket (cargo feature `redis`); `unix://` is the same |
    /// | `sqlite:PATH` | a file, shared by processes of one machine (cargo feature `sqlite`) |
    /// | `memory:` | a broker of its own inside of this process, for tests and demonstrations |
    ///
    /// After a `?`, options follow, with `&` between them:
    ///
    /// | option | of | what it says |
    /// | --- | --- | --- |
    /// | `namespace=NAME` | all | where messages lie; dramatiq's own is [`NAMESPACE`] |
    /// | `synchronous=full` | `sqlite:` | each commit waits for the disk |
    /// | `db=N` | `redis+unix:` | the number of the database, else 0 |
    /// | `ca=FILE` | `rediss:` | the only authorities that are trusted, in PEM format; else those that the system trusts |
    /// | `cert=FILE`, `key=FILE` | `rediss:` | a certificate of one's own, and its private key, where the server asks for one |
    ///
    /// Spaces and line breaks around a URL do not count, as a secret file has them at its end. In a user, a password or the
    /// path of a socket, `/` is written `%2F` (in a path it stands as it is), `?` `%3F`, `#` `%23`, `@` `%40` and `%` `%25`; in
    /// the name of a file of TLS, `&` is written `%26`. No error shows anything that stands before the last `@` of a URL.
    ///
    /// The certificate of a `rediss://` server is always checked, against the host of the URL too. The files are read for each
    /// connection anew, so a renewed certificate needs no restart; what the system trusts is read once.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Url`] names the part of the URL that is wrong (a file of TLS that cannot be read as well),
    /// [`ConnectError::Unreachable`] what happened. A certificate that is not trusted, or is for another host, is a
    /// [`StoreError::Refused`] in it; that a server may want TLS, or speak none, is said where it seems so.
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
    /// Connects to the broker at [a URL](Broker::connect), and to the other places that it was told of.
    ///
    /// # Errors
    ///
    /// As [`Broker::connect`]; [`ConnectError::Elsewhere`] says which of the other places it is.
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
    let io_thread = io_thread(url)?;
    let opened = store(&io_thread, url, builder.namespace.as_deref(), None, builder.clock.clone()).await?;
    let Opened { store, namespace } = opened;
    let results = Elsewhere::of("results_at", builder.results_at.as_ref(), url);
    let groups = Elsewhere::of("groups_at", builder.groups_at.as_ref(), url);
    if results.is_none() && groups.is_none() {
        return Ok(builder.on(store, &namespace, io_thread));
    }
    let mut split = SplitStore::new(store);
    let mut kept_at = None;
    if let Some(results) = results {
        let store = results.open(&io_thread, &namespace, &builder.clock).await?;
        kept_at = Some((results.url, store.clone()));
        split = split.with_results(store);
    }
    if let Some(groups) = groups {
        // One place for both has one connection.
        let store = match kept_at.filter(|(url, _)| *url == groups.url) {
            Some((_, store)) => store,
            None => groups.open(&io_thread, &namespace, &builder.clock).await?,
        };
        split = split.with_groups(store);
    }
    Ok(builder.on(Arc::new(split), &namespace, io_thread))
}

/// Another place than the broker's own.
struct Elsewhere {
    setting: &'static str,
    url: String,
}

impl Elsewhere {
    /// None where it is the broker's own.
    fn of(setting: &'static str, url: Option<&Url>, own: &str) -> Option<Self> {
        let url = url?.0.trim();
        (url != own.trim()).then(|| Self { setting, url: url.to_owned() })
    }

    async fn open(
        &self,
        io_thread: &IoThread,
        namespace: &str,
        clock: &Clock,
    ) -> Result<Arc<dyn Inspect>, ConnectError> {
        // The broker's clock follows the place of its queues alone.
        let clock = if clock.is_manual() { clock.clone() } else { Clock::system() };
        let opened = store(io_thread, &self.url, None, Some(namespace), clock).await;
        let failed = |cause| ConnectError::Elsewhere { setting: self.setting, cause: Box::new(cause) };
        opened.map(|opened| opened.store).map_err(failed)
    }
}

/// What is at a URL.
struct Opened {
    store: Arc<dyn Inspect>,
    namespace: String,
}

/// Opens what is at a URL. Its namespace is `told`, or what the URL says, or `otherwise`.
#[cfg_attr(
    not(any(feature = "redis", feature = "sqlite")),
    expect(unused_variables, reason = "what is in memory needs no thread")
)]
async fn store(
    io_thread: &IoThread,
    url: &str,
    told: Option<&str>,
    otherwise: Option<&str>,
    clock: Clock,
) -> Result<Opened, ConnectError> {
    let wrong = |reason| ConnectError::Url { url: without_password(url), reason };
    let BrokerUrl { place, namespace: named } = BrokerUrl::parse(url).map_err(wrong)?;
    let namespace = told.or(named.as_deref()).or(otherwise).unwrap_or(NAMESPACE).to_owned();
    let store: Arc<dyn Inspect> = match place {
        Place::Memory => Arc::new(MemoryStore::new(clock)),
        #[cfg(feature = "redis")]
        Place::Redis(place) => {
            let server = Server::new(&place).map_err(wrong)?;
            let namespace = namespace.clone();
            // Its connections live where they were made.
            Arc::new(io_thread.run(async move { RedisStore::open(server, &namespace, clock).await }).await?)
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
        Place::Redis(place) => {
            let feature = if matches!(place.way, Way::Tls(_)) { "tls" } else { "redis" };
            return Err(wrong(format!("this program was built without the feature `{feature}` of `common`")));
        }
        #[cfg(not(feature = "sqlite"))]
        Place::Sqlite { .. } => {
            return Err(wrong("this program was built without the feature `sqlite` of `common`".to_owned()));
        }
    };
    Ok(Opened { store, namespace })
}
