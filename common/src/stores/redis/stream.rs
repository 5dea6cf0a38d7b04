//! A connection to the server that knows when bytes last moved on it.
//!
//! A limit on the time of a call would cut what is only large or far away, and cut it again when it is repeated. So what is
//! limited is silence: as long as bytes move, in either direction, every call on the connection goes on.
//!
//! Bytes that are read have moved. Bytes that are written have not, for the system takes them in whether the other side is
//! there or not; only where it had no room, and has some again, some of them have left. Therefore it is told to keep little.
//! What lies in buffers on the way, as in a tunnel, cannot be seen: a call gets time for its bytes beforehand.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clock::Stopwatch;

/// An idle connection is probed after this long, and then as often.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Bytes that wait in the system to be sent at most. A link on which fewer leave within a call's silence counts as dead.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// A used connection has a timer that is due within so much: less than any call's silence.
const PACE: Duration = Duration::from_secs(1);

/// How many bytes a second leave the buffers on the way at least.
const DRAIN: u32 = 1_000_000;

/// When bytes last moved on a connection.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    since: Stopwatch,
    /// In microseconds after `since`.
    moved: Arc<AtomicU64>,
    excused: Arc<Mutex<Excused>>,
}

/// The time that calls are given beforehand for what they send. All go the same way, one after the other, so it adds up.
#[derive(Debug, Default)]
struct Excused {
    /// Until when nothing has to move, in microseconds likewise.
    until: u64,
    /// What all calls take that are under way.
    under_way: u64,
}

/// The time of one call; given back when this is dropped.
struct Excuse<'a> {
    traffic: &'a Traffic,
    takes: u64,
}

impl Drop for Excuse<'_> {
    fn drop(&mut self) {
        let now = self.traffic.now();
        let mut excused = self.traffic.excused();
        excused.under_way -= self.takes;
        // All of this one has passed, so the others need no longer than by themselves.
        excused.until = excused.until.min(now.saturating_add(excused.under_way));
    }
}

impl Traffic {
    fn new() -> Self {
        Self { since: Stopwatch::start(), moved: Arc::default(), excused: Arc::default() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn note(&self) {
        self.moved.store(self.now(), Ordering::Relaxed);
    }

    /// For how long nothing has moved that had to.
    fn silence(&self) -> Duration {
        let last = self.moved.load(Ordering::Relaxed).max(self.excused().until);
        Duration::from_micros(self.now().saturating_sub(last))
    }

    fn excused(&self) -> MutexGuard<'_, Excused> {
        // Nothing under this lock panics.
        self.excused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives time to a call that sends so many bytes, after those that are under way.
    fn excuse(&self, bytes: usize) -> Excuse<'_> {
        let takes =
            Duration::from_secs(1).mul_f64(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / f64::from(DRAIN));
        let takes = u64::try_from(takes.as_micros()).unwrap_or(u64::MAX);
        let now = self.now();
        let mut excused = self.excused();
        excused.until = excused.until.max(now).saturating_add(takes);
        excused.under_way += takes;
        Excuse { traffic: self, takes }
    }

    /// The same as [`Self::wait_for`], for work that sends so many bytes.
    pub(super) async fn wait_for_bytes<T>(
        &self,
        limit: Duration,
        bytes: usize,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let _excuse = self.excuse(bytes);
        self.wait_for(limit, work).await
    }

    /// Waits for `work` as long as bytes move; `None` after a silence of `limit`, which begins with the work at the earliest.
    pub(super) async fn wait_for<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let (mut work, begun, mut left, mut is_last) = (pin!(work), Stopwatch::start(), limit, false);
        loop {
            if let Ok(done) = timeout(left, work.as_mut()).await {
                return Some(done);
            }
            left = limit.saturating_sub(self.silence().min(begun.elapsed()));
            if left.is_zero() {
                if is_last {
                    return None;
                }
                // It may have been this thread that was busy; what has come meanwhile is read now.
                is_last = true;
                left = limit / 10;
            } else {
                is_last = false;
            }
        }
    }
}

/// Drives a connection to its end, and has a timer running while it is used. A timer that is earlier than all others has its runtime
/// wake itself up, by a write to the system and a turn of its loop; with this one, the timers of the calls never are.
pub(super) async fn drive(driver: impl Future<Output = ()>, traffic: Traffic) {
    let (mut driver, mut pace, mut seen) = (pin!(driver), interval(PACE), 0);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    poll_fn(|cx| {
        let is_over = driver.as_mut().poll(cx).is_ready();
        let moved = traffic.moved.load(Ordering::Relaxed);
        // Where nothing has moved since, nothing has to tick.
        if !is_over && moved != seen && pace.poll_tick(cx).is_ready() {
            seen = moved;
        }
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A TCP connection.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
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
        Ok(Self { socket, traffic: Traffic::new(), is_blocked: false })
    }

    pub(super) fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.traffic.note();
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        if written.is_ready() && self.is_blocked {
            self.traffic.note();
        }
        self.is_blocked = written.is_pending();
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

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
                crate::clock::Clock::system().sleep(Duration::from_millis(20)).await;
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
