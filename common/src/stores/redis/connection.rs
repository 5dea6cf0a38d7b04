//! Connections to one server, made anew when they break.
//!
//! The client crate notices neither a half-open connection nor a server that does not answer, and repeats nothing by
//! itself; so the rules are here. Each call is limited: not in its time, but in how long nothing may move on its connection
//! meanwhile (`stream.rs`). A call that may have run is never repeated. A connection is thrown away when it breaks, when it
//! was silent for too long under a call, and when its server became a replica; the next call makes a new one, and others
//! wait for that. (Not only after several such calls: a worker that waits makes one a second, and has to be back within five.)
//!
//! On one connection, an answer waits for all of those before it. What must be quick whatever else is under way, a worker's
//! beat, therefore goes over another one ([`Link`]) than what may be large; it is made when it is first used, so who only
//! sends has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, Pipeline, ProtocolVersion,
    PushInfo, PushKind, RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind, Value,
};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::error::{READONLY, refusal};
use super::stream::{Stream, Traffic, drive};
use crate::clock::Stopwatch;
use crate::error::{ConnectError, StoreError};
use crate::url::without_password;

/// How long nothing may move under a call, and how long it may take to connect.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of bodies from which on a call is a large one.
pub(super) const LARGE: usize = 64 * 1024;

/// After a failed attempt to connect, the next callers get its error for so long.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Where the server is, and how to speak with it.
#[derive(Debug)]
pub(super) struct Server {
    host: String,
    port: u16,
    settings: RedisConnectionInfo,
    address: String,
}

/// One connection; closed when its last clone is gone.
#[derive(Clone, Debug)]
pub(super) struct Line {
    connection: MultiplexedConnection,
    traffic: Traffic,
    _driver: Arc<Driver>,
}

/// The task that reads and writes.
#[derive(Debug)]
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Line {
    /// Sends a command and waits for its answer; `None` when nothing moved for too long.
    pub(super) async fn call(&mut self, command: &Cmd) -> Option<RedisResult<Value>> {
        self.traffic.wait_for(CALL_TIMEOUT, self.connection.send_packed_command(command)).await
    }

    /// The same with a command that takes so many bytes.
    async fn call_with(&mut self, command: &Cmd, bytes: usize) -> Option<RedisResult<Value>> {
        self.traffic.wait_for_bytes(CALL_TIMEOUT, bytes, self.connection.send_packed_command(command)).await
    }

    /// The same with commands that go together, and `count` answers.
    pub(super) async fn call_all(&mut self, commands: &Pipeline, count: usize) -> Option<RedisResult<Vec<Value>>> {
        self.traffic.wait_for(CALL_TIMEOUT, self.connection.send_packed_commands(commands, 0, count)).await
    }

    /// Asks for what others publish in a channel; `None` when nothing moved for too long.
    pub(super) async fn subscribe(&mut self, channel: &str) -> Option<RedisResult<()>> {
        self.traffic.wait_for(CALL_TIMEOUT, self.connection.subscribe(channel)).await
    }
}

/// What a call failed with when nothing moved for too long.
pub(super) fn silence() -> StoreError {
    StoreError::Unreachable(format!("no answer within {CALL_TIMEOUT:?}"))
}

impl Server {
    /// Reads a URL. Whatever it says of the protocol, RESP3 is tried first.
    pub(super) fn new(url: &str) -> Result<Self, ConnectError> {
        let wrong = |reason: String| ConnectError::Url { url: without_password(url), reason };
        let info = url.into_connection_info().map_err(|error| wrong(error.to_string()))?;
        let ConnectionAddr::Tcp(host, port) = info.addr() else {
            return Err(wrong("only `redis://HOST` is supported".to_owned()));
        };
        let settings = info.redis_settings().clone();
        let db = match settings.db() {
            0 => String::new(),
            db => format!("/{db}"),
        };
        // An IPv6 address has colons of its own.
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        let address = format!("redis://{open}{host}{close}:{port}{db}");
        Ok(Self { host: host.clone(), port: *port, settings, address })
    }

    /// Without user and password.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// A new connection, that tells `on_push` what the server sends unasked, and when it is lost.
    pub(super) async fn connect(&self, on_push: impl Fn(PushInfo) + Send + Sync + 'static) -> Result<Line, StoreError> {
        let plain = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let config = plain.clone().set_push_sender(move |push| {
            on_push(push);
            Ok::<(), ()>(())
        });
        let connecting = async {
            match self.open(ProtocolVersion::RESP3, config).await {
                // Servers and proxies that know RESP2 only: no pushes then.
                Err(error) if error.kind() == ErrorKind::RESP3NotSupported => {
                    self.open(ProtocolVersion::RESP2, plain).await
                }
                opened => opened,
            }
        };
        match timeout(CALL_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(|error| refusal(&error)),
            Err(_) => Err(StoreError::Unreachable(format!("no connection within {CALL_TIMEOUT:?}"))),
        }
    }

    async fn open(&self, protocol: ProtocolVersion, config: AsyncConnectionConfig) -> RedisResult<Line> {
        let stream = Stream::connect(&self.host, self.port, 2 * CALL_TIMEOUT).await.map_err(RedisError::from)?;
        let traffic = stream.traffic().clone();
        let settings = self.settings.clone().set_protocol(protocol);
        let (connection, driver) = MultiplexedConnection::new_with_config(&settings, stream, config).await?;
        let driver = Arc::new(Driver(tokio::spawn(drive(driver, traffic.clone())).abort_handle()));
        Ok(Line { connection, traffic, _driver: driver })
    }
}

/// How a call failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// There is no connection: it did not run.
    NotSent(StoreError),
    /// It may have run.
    Lost(StoreError),
    /// The server answered with an error.
    Refused(StoreError),
    /// The server does not know the script: it did not run.
    NoScript,
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotSent(error) | CallError::Lost(error) | CallError::Refused(error) => error,
            CallError::NoScript => Self::Refused("the server forgets scripts at once".to_owned()),
        }
    }
}

/// A connection that calls share.
#[derive(Debug)]
pub(super) struct Link {
    server: Arc<Server>,
    slot: Mutex<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    live: Option<Live>,
    /// When the last attempt failed, and how: callers that waited for it need not try again one by one.
    failed: Option<(Stopwatch, StoreError)>,
}

#[derive(Clone, Debug)]
struct Live {
    line: Line,
    is_broken: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self { server, slot: Mutex::default() }
    }

    pub(super) fn address(&self) -> &str {
        self.server.address()
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, CallError> {
        self.call_with(command, 0).await
    }

    /// The same with a command whose bodies take so many bytes.
    pub(super) async fn call_with(&self, command: &Cmd, bytes: usize) -> Result<Value, CallError> {
        let Live { mut line, is_broken } = self.live().await.map_err(CallError::NotSent)?;
        let answer = if bytes == 0 { line.call(command).await } else { line.call_with(command, bytes).await };
        let Some(answer) = answer else {
            is_broken.store(true, Ordering::Relaxed);
            return Err(CallError::Lost(silence()));
        };
        let error = match answer.and_then(Value::extract_error) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoScript)) {
            return Err(CallError::NoScript);
        }
        let is_lost = error.code().is_none();
        let refusal = refusal(&error);
        // A replica that was the master until now stays one; its address may lead to the new master.
        if is_lost || matches!(&refusal, StoreError::Unreachable(cause) if cause.starts_with(READONLY)) {
            is_broken.store(true, Ordering::Relaxed);
        }
        Err(if is_lost { CallError::Lost(refusal) } else { CallError::Refused(refusal) })
    }

    /// The connection; a new one where there is none that works.
    async fn live(&self) -> Result<Live, StoreError> {
        let mut slot = self.slot.lock().await;
        if let Some(live) = &slot.live
            && !live.is_broken.load(Ordering::Relaxed)
        {
            return Ok(live.clone());
        }
        if let Some((since, error)) = &slot.failed
            && since.elapsed() < RECONNECT_PAUSE
        {
            return Err(error.clone());
        }
        let is_broken = Arc::<AtomicBool>::default();
        let told = Arc::clone(&is_broken);
        let connected = self.server.connect(move |push| {
            if push.kind == PushKind::Disconnection {
                told.store(true, Ordering::Relaxed);
            }
        });
        match connected.await {
            Ok(line) => {
                let made = Live { line, is_broken };
                *slot = Slot { live: Some(made.clone()), failed: None };
                Ok(made)
            }
            Err(error) => {
                *slot = Slot { live: None, failed: Some((Stopwatch::start(), error.clone())) };
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_no_password() {
        let server = Server::new("redis://me:se@cret@127.0.0.1:6380/3?protocol=resp2").unwrap();
        assert_eq!(server.address(), "redis://127.0.0.1:6380/3");
        assert!(!format!("{server:?}").contains("cret"), "{server:?}");
        assert_eq!(Server::new("redis://localhost").unwrap().address(), "redis://localhost:6379");
        assert_eq!(Server::new("redis://:secret@[::1]:7700/2").unwrap().address(), "redis://[::1]:7700/2");
    }

    #[test]
    fn a_wrong_url_shows_no_password() {
        for url in ["redis://:secret@host:port/x", "http://a:secret@b", "secret@b"] {
            let error = Server::new(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
