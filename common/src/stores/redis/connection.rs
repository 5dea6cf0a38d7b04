//! Connections to one server, made anew when they break.
//!
//! The client crate notices neither a half-open connection nor a server that does not answer, and repeats nothing by
//! itself; so the rules are here. Each call has a time limit. A call that may have run is never repeated. A connection is
//! thrown away when it breaks, when a call gets no answer in time, and when its server became a replica; the next call
//! makes a new one, and others wait for that. (Not only after several such calls: a worker that waits makes one a second,
//! and has to be back within five.)

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _,
    ProtocolVersion, PushInfo, PushKind, RedisError, ServerErrorKind, Value,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::refusal::{READONLY, refusal};
use crate::clock::Stopwatch;
use crate::error::{ConnectError, StoreError};
use crate::stores::without_password;

/// How long a call may take.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// After a failed attempt to connect, the next callers get its error for so long.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// An idle connection is probed after this long, and then as often.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Where the server is, and how to speak with it.
#[derive(Debug)]
pub(super) struct Server {
    client: Client,
    /// For servers and proxies that know RESP2 only: no pushes then.
    old_client: Client,
    address: String,
}

impl Server {
    /// Reads a URL. Whatever it says of the protocol, RESP3 is tried first.
    pub(super) fn new(url: &str) -> Result<Self, ConnectError> {
        let wrong = |error: RedisError| ConnectError::Url { url: without_password(url), reason: error.to_string() };
        let info = url.into_connection_info().map_err(wrong)?;
        let address = address(&info);
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE));
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(2 * CALL_TIMEOUT);
        let open = |protocol| {
            let settings = info.redis_settings().clone().set_protocol(protocol);
            let info = info.clone().set_redis_settings(settings).set_tcp_settings(tcp.clone());
            Client::open(info).map_err(wrong)
        };
        Ok(Self { client: open(ProtocolVersion::RESP3)?, old_client: open(ProtocolVersion::RESP2)?, address })
    }

    /// Without user and password.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// A new connection, that tells `on_push` what the server sends unasked, and when it is lost.
    pub(super) async fn connect(
        &self,
        on_push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, StoreError> {
        let plain = AsyncConnectionConfig::new().set_connection_timeout(Some(CALL_TIMEOUT)).set_response_timeout(None);
        let config = plain.clone().set_push_sender(move |push| {
            on_push(push);
            Ok::<(), ()>(())
        });
        let connecting = async {
            match self.client.get_multiplexed_async_connection_with_config(&config).await {
                Err(error) if error.kind() == ErrorKind::RESP3NotSupported => {
                    self.old_client.get_multiplexed_async_connection_with_config(&plain).await
                }
                connected => connected,
            }
        };
        match timeout(CALL_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(|error| refusal(&error)),
            Err(_) => Err(StoreError::Unreachable(format!("no connection within {CALL_TIMEOUT:?}"))),
        }
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

/// The connection that all calls share.
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
    connection: MultiplexedConnection,
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
        let Live { mut connection, is_broken } = self.live().await.map_err(CallError::NotSent)?;
        let Ok(answer) = timeout(CALL_TIMEOUT, connection.send_packed_command(command)).await else {
            is_broken.store(true, Ordering::Relaxed);
            let cause = format!("no answer within {CALL_TIMEOUT:?}");
            return Err(CallError::Lost(StoreError::Unreachable(cause)));
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
            Ok(connection) => {
                let live = Live { connection, is_broken };
                *slot = Slot { live: Some(live.clone()), failed: None };
                Ok(live)
            }
            Err(error) => {
                *slot = Slot { live: None, failed: Some((Stopwatch::start(), error.clone())) };
                Err(error)
            }
        }
    }
}

fn address(info: &ConnectionInfo) -> String {
    let db = match info.redis_settings().db() {
        0 => String::new(),
        db => format!("/{db}"),
    };
    match info.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            // An IPv6 address has colons of its own.
            let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
            format!("redis://{open}{host}{close}:{port}{db}")
        }
        other => format!("{other}{db}"),
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
