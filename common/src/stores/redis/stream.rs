//! A connection to the server that knows when bytes last moved on it (`traffic.rs`).
//!
//! Bytes that are read have moved. Bytes that are written have not, for the system takes them in whether the other side is
//! there or not; only where it had no room, and has some again, some of them have left. Therefore it is told to keep little.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;

use super::traffic::Traffic;

/// An idle connection is probed after this long, and then as often.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Bytes that wait in the system to be sent at most. A link on which fewer leave within a call's silence counts as dead.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// What the system connects us by.
#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    traffic: Traffic,
    /// Whether the system had no room for what was to be written last.
    is_blocked: bool,
}

impl Stream {
    /// Connects to the first of the host's addresses that answers. The system gives it up when what was sent is not
    /// acknowledged within `user_timeout`.
    pub(super) async fn connect(host: &str, port: u16, user_timeout: Duration) -> io::Result<Self> {
        let mut attempts = JoinSet::new();
        for address in lookup_host((host, port)).await? {
            attempts.spawn(TcpStream::connect(address));
        }
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        while let Some(attempt) = attempts.join_next().await {
            match attempt.map_err(io::Error::other).flatten() {
                Ok(socket) => return Self::new(socket, user_timeout),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn new(socket: TcpStream, user_timeout: Duration) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let options = SockRef::from(&socket);
        options.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
        #[cfg(target_os = "linux")]
        {
            options.set_tcp_user_timeout(Some(user_timeout))?;
            options.set_tcp_notsent_lowat(UNSENT)?;
        }
        #[cfg(not(target_os = "linux"))]
        let _ = user_timeout;
        Ok(Self::on(Socket::Tcp(socket)))
    }

    /// Connects to the socket at a path.
    #[cfg(unix)]
    pub(super) async fn connect_socket(path: &std::path::Path) -> io::Result<Self> {
        Ok(Self::on(Socket::Unix(UnixStream::connect(path).await?)))
    }

    fn on(socket: Socket) -> Self {
        Self { socket, traffic: Traffic::new(), is_blocked: false }
    }

    pub(super) fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match &mut self.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_read(cx, buffer),
            #[cfg(unix)]
            Socket::Unix(socket) => Pin::new(socket).poll_read(cx, buffer),
        };
        if let Some(first) = buffer.filled().get(before) {
            self.traffic.hear(*first);
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            #[cfg(unix)]
            Socket::Unix(socket) => Pin::new(socket).poll_write(cx, bytes),
        };
        if written.is_ready() && self.is_blocked {
            self.traffic.note();
        }
        self.is_blocked = written.is_pending();
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            #[cfg(unix)]
            Socket::Unix(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            #[cfg(unix)]
            Socket::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock::{Clock, Stopwatch};

    const LIMIT: Duration = Duration::from_millis(500);

    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let near = Stream::connect("127.0.0.1", port, Duration::from_secs(60)).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn what_the_other_side_never_takes_has_not_moved() {
        let (mut near, _far) = pair().await;
        let traffic = near.traffic().clone();
        let writing = async {
            loop {
                near.write_all(&[0; 16 * 1024]).await.unwrap();
            }
        };
        let writing: Option<()> = traffic.wait_for(LIMIT, writing).await;
        assert!(writing.is_none(), "the system takes in some, and then no more");
    }

    #[tokio::test]
    async fn a_write_that_the_other_side_takes_slowly_moves_all_the_time() {
        const SIZE: usize = 4 << 20;
        let (mut near, mut far) = pair().await;
        let traffic = near.traffic().clone();
        let reading = tokio::spawn(async move {
            let (mut taken, mut buffer) = (0, vec![0; 64 * 1024]);
            while taken < SIZE {
                taken += far.read(&mut buffer).await.unwrap();
                Clock::system().sleep(Duration::from_millis(20)).await;
            }
            far.write_all(b"!").await.unwrap();
        });
        let watch = Stopwatch::start();
        let calling = async {
            near.write_all(&vec![0; SIZE]).await.unwrap();
            near.read_u8().await.unwrap()
        };
        assert_eq!(traffic.wait_for(LIMIT, calling).await, Some(b'!'));
        assert!(watch.elapsed() > 2 * LIMIT, "it took long");
        reading.await.unwrap();
    }
}
