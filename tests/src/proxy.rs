//! A TCP proxy with faults, in this process.
//!
//! It stands between a client and a server and makes the network bad at an exact moment: no rights needed, no container, and its
//! port never changes, also when the server's does.

use common::clock::Stopwatch;
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

/// As many reads may be on their way at once, each way; then the sender has to wait, as on any network.
const IN_FLIGHT: usize = 256;

/// Forwards connections to an upstream; all are cut when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What the proxy does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Stall,
    DropReplies,
    Closed,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    /// How long everything takes, each way.
    latency: Duration,
    upstream: String,
    /// Both ends of every connection, so that they can be cut.
    links: Vec<TcpStream>,
    /// Connections so far.
    made: usize,
    /// As many of them, the oldest, are stranded.
    stranded: usize,
    /// Bytes a second that pass in each direction, over all connections together.
    rate: Option<u32>,
    /// Whether what may not pass yet is taken in all the same.
    is_buffering: bool,
    /// When each direction is free again, requests first.
    free: [Duration; 2],
    started: Stopwatch,
}

impl Proxy {
    /// A proxy on a free loopback port, in front of `upstream` (`host:port`).
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn to(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let state = State {
            mode: Mode::Pass,
            latency: Duration::ZERO,
            upstream: upstream.to_owned(),
            links: Vec::new(),
            made: 0,
            stranded: 0,
            rate: None,
            is_buffering: false,
            free: [Duration::ZERO; 2],
            started: Stopwatch::start(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let proxy = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.state().mode == Mode::Closed {
                    return;
                }
                // An upstream that isn't there: the client is dropped, and sees a closed connection.
                drop(shared.link(client));
            }
        });
        proxy
    }

    /// Where the proxy listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The proxy as a Redis URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Holds back every byte, both ways; connections stay open and new ones are accepted.
    pub fn stall(&self) {
        self.shared.switch(Mode::Stall);
    }

    /// Lets requests through and swallows replies: the server does it, and the client never hears.
    pub fn drop_replies(&self) {
        self.shared.switch(Mode::DropReplies);
    }

    /// Lets everything through again, first what [`stall`](Self::stall) held back. Swallowed replies stay lost.
    pub fn resume(&self) {
        self.shared.switch(Mode::Pass);
    }

    /// From now on everything takes so long, each way. Nothing is held back by what is on its way before it.
    pub fn delay(&self, latency: Duration) {
        self.shared.state().latency = latency;
    }

    /// Lets so many bytes a second pass in each direction, over all connections together. Who sends more has to wait.
    pub fn throttle(&self, rate: u32) {
        self.shared.state().rate = Some(rate);
    }

    /// The same as a tunnel does: it takes in at once what is sent, and lets it through little by little.
    pub fn throttle_behind(&self, rate: u32) {
        let mut state = self.shared.state();
        (state.rate, state.is_buffering) = (Some(rate), true);
    }

    /// Lets nothing through any more on the connections of this moment, and leaves them open; new ones pass. As when a router
    /// forgets them.
    pub fn strand(&self) {
        let mut state = self.shared.state();
        state.stranded = state.made;
    }

    /// Closes every connection; new ones are accepted.
    pub fn cut(&self) {
        for link in self.shared.state().links.drain(..) {
            // Fails only where the other side was faster.
            let _: io::Result<()> = link.shutdown(Shutdown::Both);
        }
    }

    /// From now on new connections go to another upstream.
    pub fn redirect(&self, upstream: &str) {
        upstream.clone_into(&mut self.shared.state().upstream);
    }
}

impl State {
    /// How long it takes until so many bytes have passed, after those that came before them.
    fn take_turn(&mut self, bytes: usize, replies: bool) -> Duration {
        let (Some(rate), Ok(bytes)) = (self.rate, u32::try_from(bytes)) else { return Duration::ZERO };
        let now = self.started.elapsed();
        let free = &mut self.free[usize::from(replies)];
        *free = now.max(*free) + Duration::from_secs_f64(f64::from(bytes) / f64::from(rate));
        free.saturating_sub(now)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.switch(Mode::Closed);
        self.cut();
        // The listener waits for a connection; this is its last.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn switch(&self, mode: Mode) {
        self.state().mode = mode;
        self.changed.notify_all();
    }

    fn link(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let upstream = self.state().upstream.clone();
        let server = TcpStream::connect(upstream)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut state = self.state();
        state.links.extend([client.try_clone()?, server.try_clone()?]);
        state.made += 1;
        let number = state.made;
        drop(state);
        for (from, to, replies) in [(client.try_clone()?, server.try_clone()?, false), (server, client, true)] {
            let (shared, receiver) = (Arc::clone(self), Arc::clone(self));
            let (sent, arriving) = sync_channel(IN_FLIGHT);
            let source = from.try_clone()?;
            thread::spawn(move || receiver.receive(source, &sent, replies));
            thread::spawn(move || shared.pump(&arriving, &from, to, number, replies));
        }
        Ok(())
    }

    /// Takes in what one side sends, as fast as it may pass, until it ends or the other side does.
    fn receive(&self, mut from: TcpStream, sent: &SyncSender<Flight>, replies: bool) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let (mut turn, is_buffering) = {
                let mut state = self.state();
                (state.take_turn(read, replies), state.is_buffering)
            };
            if !is_buffering {
                // The link's own time, which is what it is there for; as below.
                thread::sleep(std::mem::take(&mut turn));
            }
            if sent.send(Flight { since: Stopwatch::start(), turn, bytes: buffer[..read].to_vec() }).is_err() {
                return;
            }
        }
    }

    fn pump(&self, arriving: &Receiver<Flight>, from: &TcpStream, mut to: TcpStream, number: usize, replies: bool) {
        while let Ok(Flight { since, turn, bytes }) = arriving.recv() {
            let stalled = |state: &mut State| {
                state.mode == Mode::Stall || (number <= state.stranded && state.mode != Mode::Closed)
            };
            let state = self.changed.wait_while(self.state(), stalled).unwrap_or_else(PoisonError::into_inner);
            let (swallow, latency) = (replies && state.mode == Mode::DropReplies, state.latency);
            drop(state);
            // The link's own time.
            thread::sleep((turn + latency).saturating_sub(since.elapsed()));
            if !swallow && to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _: io::Result<()> = to.shutdown(Shutdown::Both);
        let _: io::Result<()> = from.shutdown(Shutdown::Both);
    }
}

/// Bytes on their way.
struct Flight {
    since: Stopwatch,
    /// How long those before them, and they themselves, take to pass.
    turn: Duration,
    bytes: Vec<u8>,
}
