//! Where the server is, and how a connection to it begins: over TCP, with TLS or without, or over a Unix socket.

use redis::{
    AsyncConnectionConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, ProtocolVersion, PushInfo,
    RedisConnectionInfo, RedisError, RedisResult,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::error::refusal;
use super::line::{CALL_TIMEOUT, Line};
use super::stream::Stream;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::traffic::Traffic;
use crate::error::StoreError;
use crate::url::{RedisPlace, Way};

/// Where the server is, and how to speak with it.
#[derive(Debug)]
pub(crate) struct Server {
    end: End,
    settings: RedisConnectionInfo,
    address: String,
}

/// What a connection leads to.
#[derive(Debug)]
enum End {
    Tcp {
        host: String,
        port: u16,
    },
    #[cfg(feature = "tls")]
    Tls {
        host: String,
        port: u16,
        tls: Tls,
    },
    #[cfg(unix)]
    Socket(std::path::PathBuf),
}

/// A connection that has begun, or why it has not.
type Opened = Result<RedisResult<Line>, StoreError>;

impl Server {
    /// Reads what a URL says of it, and the files that it names. RESP3 is tried first.
    ///
    /// # Errors
    ///
    /// A sentence that names the part that is wrong.
    pub(crate) fn new(place: &RedisPlace) -> Result<Self, String> {
        let info = place.login.as_str().into_connection_info().map_err(|error| error.to_string())?;
        let ConnectionAddr::Tcp(host, port) = info.addr().clone() else {
            return Err("it names no host".to_owned());
        };
        let settings = info.redis_settings().clone();
        let db = settings.db();
        // An IPv6 address has colons of its own.
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        let by_host = |scheme: &str| match db {
            0 => format!("{scheme}://{open}{host}{close}:{port}"),
            _ => format!("{scheme}://{open}{host}{close}:{port}/{db}"),
        };
        let (address, end) = match &place.way {
            Way::Tcp => (by_host("redis"), End::Tcp { host, port }),
            #[cfg(feature = "tls")]
            Way::Tls(files) => (by_host("rediss"), End::Tls { tls: Tls::new(&host, port, files)?, host, port }),
            #[cfg(not(feature = "tls"))]
            Way::Tls(_) => return Err(WITHOUT_TLS.to_owned()),
            #[cfg(unix)]
            Way::Unix(path) => {
                let database = if db == 0 { String::new() } else { format!("?db={db}") };
                (format!("redis+unix://{path}{database}"), End::Socket(path.into()))
            }
            #[cfg(not(unix))]
            Way::Unix(_) => return Err("this system has no Unix sockets".to_owned()),
        };
        Ok(Self { end, settings, address })
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
            match self.open(ProtocolVersion::RESP3, config).await? {
                // Servers and proxies that know RESP2 only: no pushes then.
                Err(error) if error.kind() == ErrorKind::RESP3NotSupported => {
                    self.open(ProtocolVersion::RESP2, plain).await
                }
                opened => Ok(opened),
            }
        };
        // It is large, with TLS, and rarely runs: no call has to carry it.
        match timeout(CALL_TIMEOUT, Box::pin(connecting)).await {
            Ok(connected) => connected?.map_err(|error| refusal(&error)),
            Err(_) => Err(self.silence()),
        }
    }

    fn silence(&self) -> StoreError {
        let within = format!("no connection within {CALL_TIMEOUT:?}");
        StoreError::Unreachable(match &self.end {
            #[cfg(feature = "tls")]
            // It may wait for the end of a line that it took for the first.
            End::Tls { host, port, .. } => format!("{within}; a server without TLS would be at redis://{host}:{port}"),
            _ => within,
        })
    }

    async fn open(&self, protocol: ProtocolVersion, config: AsyncConnectionConfig) -> Opened {
        let settings = self.settings.clone().set_protocol(protocol);
        let opened = match &self.end {
            End::Tcp { host, port } => Stream::connect(host, *port, 2 * CALL_TIMEOUT).await,
            #[cfg(unix)]
            End::Socket(path) => Stream::connect_socket(path).await.map_err(|error| at_socket(path, error)),
            #[cfg(feature = "tls")]
            End::Tls { host, port, tls } => {
                let stream = match Stream::connect(host, *port, 2 * CALL_TIMEOUT).await {
                    Ok(stream) => stream,
                    Err(error) => return Ok(Err(error.into())),
                };
                let traffic = stream.traffic().clone();
                let stream = tls.begin(stream).await?;
                let begun = begin(&settings, stream, traffic, config).await;
                // A server may refuse what it was shown only after it was greeted.
                return match &begun {
                    Err(error) => tls.refused(error).map_or(Ok(begun), Err),
                    Ok(_) => Ok(begun),
                };
            }
        };
        let stream = match opened {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(error.into())),
        };
        let traffic = stream.traffic().clone();
        let begun = begin(&settings, stream, traffic.clone(), config).await;
        match (&self.end, &begun) {
            // What it said was no Redis, if it said anything.
            (End::Tcp { host, port }, Err(error)) if is_cut(error, &traffic) => Err(StoreError::Unreachable(format!(
                "{error}: it ends the connection without a word; a server with TLS would be at rediss://{host}:{port}"
            ))),
            _ => Ok(begun),
        }
    }
}

/// Why `rediss://` is refused.
#[cfg(not(feature = "tls"))]
const WITHOUT_TLS: &str = "this program was built without the feature `tls` of `common`, which `rediss://` needs";

/// Whether the other side has ended a connection on which it has said nothing, or nothing but what TLS says.
fn is_cut(error: &RedisError, traffic: &Traffic) -> bool {
    match error.kind() {
        ErrorKind::Io => !traffic.has_heard(),
        ErrorKind::Parse => traffic.has_heard_tls(),
        _ => false,
    }
}

/// Says who we are, and which database is meant.
async fn begin(
    settings: &RedisConnectionInfo,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    traffic: Traffic,
    config: AsyncConnectionConfig,
) -> RedisResult<Line> {
    let (connection, driver) = redis::aio::MultiplexedConnection::new_with_config(settings, stream, config).await?;
    Ok(Line::new(connection, driver, traffic))
}

/// What hinders somebody at a socket, in words.
#[cfg(unix)]
fn at_socket(path: &std::path::Path, error: std::io::Error) -> std::io::Error {
    use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};

    let why = match error.kind() {
        NotFound => "there is no such socket: is the server's `unixsocket` this path, and does it run?",
        ConnectionRefused => "nobody listens at this socket: its server has ended",
        PermissionDenied => "this user may not write to the socket: see the server's `unixsocketperm`",
        _ => return error,
    };
    std::io::Error::new(error.kind(), format!("{}: {why} ({error})", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::{BrokerUrl, Place};

    fn server(url: &str) -> Result<Server, String> {
        match BrokerUrl::parse(url)?.place {
            Place::Redis(place) => Server::new(&place),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_address_shows_no_password() {
        for (url, address) in [
            ("redis://me:se%40cret@127.0.0.1:6380/3", "redis://127.0.0.1:6380/3"),
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://:cret@[::1]:7700/2", "redis://[::1]:7700/2"),
            ("redis+unix://me:cret@/run/redis.sock", "redis+unix:///run/redis.sock"),
            ("unix:///run/redis.sock?db=4", "redis+unix:///run/redis.sock?db=4"),
            #[cfg(feature = "tls")]
            ("rediss://me:cret@host:6380/1", "rediss://host:6380/1"),
        ] {
            let server = server(url).unwrap();
            assert_eq!(server.address(), address);
            assert!(!format!("{server:?}").contains("cret"), "{server:?}");
        }
    }

    #[test]
    fn a_wrong_url_shows_no_password() {
        for url in ["redis://:secret@host:port/x", "http://a:secret@b", "secret@b", "rediss://:secret@h:p"] {
            let error = server(url).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn without_its_feature_tls_is_refused_with_its_name() {
        assert!(server("rediss://host").unwrap_err().contains("the feature `tls` of `common`"));
    }
}
