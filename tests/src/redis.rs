//! A Redis for this test process, and private ones for tests that break them.
//!
//! The shared one is found or made at its first use, in this order; each step that fails is named in the message of the last:
//!
//! 1. the Redis at `TEST_REDIS_URL`. Whoever sets it means it, so a Redis that doesn't answer there is an error at once;
//! 2. the version that `TEST_REDIS_VERSION` asks for, as a process (`redis/versions.rs`);
//! 3. a container, from an image that is there, can be pulled, or else is made on the spot (`redis/image.rs`);
//! 4. where no Docker engine answers, a redis-server as a plain process ([`Server`]).
//!
//! Tests share it, each with a [`namespace`] of its own, and never flush it.
//!
//! It ends when this process does. Nothing is dropped at the end of a test process, so a container can't be removed by its
//! handle; instead this module holds one connection named `kit`, and the container ends by itself once it has gone
//! (`redis/container.rs`). A server process is killed by the [reaper](crate::process).

mod container;
mod image;
mod server;
mod versions;

pub use self::server::{Server, free_port};
use crate::{process, python, workspace};
use common::{clock::Clock, stores::redis::RedisStore};
use redis::aio::MultiplexedConnection;
use std::{
    fmt,
    path::PathBuf,
    sync::{Mutex, OnceLock},
    time::Duration,
};
use uuid::Uuid;

/// The name of the connection that keeps a container alive.
const KEEPER: &str = "kit";

/// How long a Redis may take to answer once it has said that it is ready.
const READY: Duration = Duration::from_secs(10);

/// How often a connection is tried, for some seconds each time.
const TRIES: usize = 10;

/// How this process came by its Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// `TEST_REDIS_URL` says where it is.
    Given,
    /// It runs in a container.
    Container {
        /// The container's id.
        id: String,
        /// The image it was made from.
        image: String,
    },
    /// It runs as a process, because no container could be had.
    Process {
        /// The process's id.
        id: u32,
        /// Why there is no container.
        reason: String,
    },
}

struct Shared {
    url: String,
    how: How,
    /// The connection that keeps the container; used by nobody.
    _keeper: Mutex<redis::Connection>,
    /// The server, where it is a process.
    _server: Option<Server>,
}

/// The URL of this test process's Redis, without a database.
///
/// # Panics
/// When there is none, with all that was tried.
#[must_use]
pub fn url() -> String {
    shared().url.clone()
}

/// How this process came by its Redis.
///
/// # Panics
/// As [`url`] does.
#[must_use]
pub fn how() -> &'static How {
    &shared().how
}

/// A fresh namespace, for one test. Prints which Redis it is for, which a test shows when it fails.
///
/// # Panics
/// As [`url`] does.
#[must_use]
#[expect(clippy::print_stdout, reason = "a failing test says which Redis it ran on")]
pub fn namespace() -> String {
    println!("redis: {}, {}", shared().url, shared().how);
    fresh_namespace()
}

/// A fresh namespace, one of many in a test that says by itself which Redis it is for.
#[must_use]
pub fn fresh_namespace() -> String {
    let id = Uuid::new_v4().simple().to_string();
    format!("t-{}", &id[..12])
}

/// A store on a Redis that is there: a busy machine may not take everybody in at once.
///
/// # Panics
/// When it takes nobody in, however often that is tried.
pub async fn store(url: &str, namespace: &str, clock: &Clock) -> RedisStore {
    let mut refusals = Vec::new();
    while refusals.len() < TRIES {
        match RedisStore::connect(url, namespace, clock.clone()).await {
            Ok(store) => return store,
            Err(refusal) => refusals.push(refusal),
        }
    }
    panic!("{refusals:?}");
}

/// A connection that waits for as long as an answer takes: the client's own half second is short for a busy machine.
///
/// # Panics
/// When there is no Redis.
pub async fn patient(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("a URL");
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    client.get_multiplexed_async_connection_with_config(&patient).await.expect("the Redis of the tests")
}

/// A blocking connection to this test process's Redis, for tests that look at keys.
///
/// # Panics
/// As [`url`] does, or when the Redis has gone.
#[must_use]
pub fn connection() -> redis::Connection {
    connect(&url()).unwrap_or_else(|error| panic!("the tests' Redis ({}) has gone: {error}", how()))
}

/// A redis-server binary: the version that `TEST_REDIS_VERSION` asks for, else the one on PATH, else the one that requirements-dev.txt brings.
///
/// # Panics
/// When the virtual environment can't be made, or that version can't be had.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(version) = versions::wanted() {
        return versions::binary(&version);
    }
    workspace::on_path("redis-server").unwrap_or_else(python::redis_server)
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Result<Shared, String>> = OnceLock::new();
    SHARED.get_or_init(find).as_ref().unwrap_or_else(|tried| panic!("no Redis to test against.\n{tried}"))
}

fn find() -> Result<Shared, String> {
    if let Some(url) = workspace::setting("TEST_REDIS_URL") {
        return keep(url.trim_end_matches('/').to_owned(), How::Given, None)
            .map_err(|error| format!("TEST_REDIS_URL is {url}, where no Redis answers: {error}"));
    }
    let container = match versions::wanted() {
        Some(version) => Err(format!("TEST_REDIS_VERSION asks for {version}")),
        None => container::start(),
    };
    let cause = match container {
        Ok(found) => {
            let how = How::Container { id: found.id, image: found.image };
            let error = match keep(found.url.clone(), how, None) {
                Ok(shared) => return Ok(shared),
                Err(error) => error,
            };
            format!("the container's Redis at {} doesn't answer: {error}", found.url)
        }
        Err(error) => error,
    };
    let started = std::panic::catch_unwind(Server::start);
    let Ok(server) = started else {
        return Err(format!(
            "1. TEST_REDIS_URL isn't set.\n2. No container: {cause}\n3. No redis-server could be started as a process: \
             {}\nEither set TEST_REDIS_URL, start a Docker engine, or install redis-server.",
            reason(started.err())
        ));
    };
    let how = How::Process { id: server.id(), reason: cause };
    keep(server.url(), how, Some(server)).map_err(|error| format!("the redis-server process doesn't answer: {error}"))
}

/// Takes hold of a Redis by a named connection.
fn keep(url: String, how: How, server: Option<Server>) -> Result<Shared, String> {
    let named = || {
        let mut keeper = connect(&url)?;
        redis::cmd("CLIENT").arg("SETNAME").arg(KEEPER).exec(&mut keeper)?;
        Ok::<_, redis::RedisError>(keeper)
    };
    // A published port accepts before the server behind it does, so the first answer may be a closed connection.
    let keeper = process::eventually(READY, || named().ok());
    let keeper = keeper.map_or_else(named, Ok).map_err(|error| error.to_string())?;
    Ok(Shared { url, how, _keeper: Mutex::new(keeper), _server: server })
}

/// A blocking connection to the Redis at `url`.
fn connect(url: &str) -> Result<redis::Connection, redis::RedisError> {
    redis::Client::open(url)?.get_connection_with_timeout(READY)
}

/// What a panic said.
fn reason(panic: Option<Box<dyn std::any::Any + Send>>) -> String {
    let panic = panic.unwrap_or_else(|| Box::new(""));
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => write!(f, "given by TEST_REDIS_URL"),
            Self::Container { id, image } => write!(f, "container {} of {image}", &id[..id.len().min(12)]),
            Self::Process { id, reason } => write!(f, "process {id}, because there is no container: {reason}"),
        }
    }
}
