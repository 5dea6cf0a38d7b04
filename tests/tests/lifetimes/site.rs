//! The stores, and actors that a test holds up.

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use common::{actor, broker::Broker, clock::Clock, queue_name::QueueName, store::Counts, stores::memory::MemoryStore};
use tempfile::TempDir;
use tests::{
    process::{self, PATIENCE},
    redis,
};
use tokio::sync::watch;

/// Runs a future on this thread, with no runtime at all.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let (waker, mut future) = (Waker::from(Arc::new(Unpark(thread::current()))), pin!(future));
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        thread::park();
    }
}

/// Takes a future's first step; it may be its last.
pub(crate) fn begin<T>(future: Pin<&mut impl Future<Output = T>>) {
    let _ = future.poll(&mut Context::from_waker(Waker::noop()));
}

/// Sends notes with these numbers, at once.
pub(crate) fn send_notes(broker: &Broker, numbers: impl IntoIterator<Item = u32>) {
    let now = broker.clock().now();
    let notes = numbers.into_iter().map(|number| note::message(number).message(now).unwrap());
    broker.enqueue_blocking(notes.collect()).unwrap();
}

/// An empty store of a test's own, which several brokers may be on.
pub(crate) struct Site {
    /// Where it is; memory has no address that two brokers could share.
    pub(crate) url: Option<String>,
    namespace: String,
    memory: MemoryStore,
    _folder: TempDir,
}

impl Site {
    /// One of each kind.
    pub(crate) fn all() -> [Self; 3] {
        let folder = || tempfile::tempdir().unwrap();
        let file = folder();
        let sqlite = format!("sqlite:{}", file.path().join("tasks.db").display());
        let on = |url, folder| Self {
            url,
            namespace: redis::fresh_namespace(),
            memory: MemoryStore::new(Clock::system()),
            _folder: folder,
        };
        [on(None, folder()), on(Some(sqlite), file), on(Some(redis::url()), folder())]
    }

    /// A broker on it, connected from no runtime.
    pub(crate) fn broker(&self) -> Broker {
        let builder = Broker::builder().namespace(&self.namespace);
        match &self.url {
            Some(url) => block_on(builder.connect(url)).unwrap(),
            None => builder.on_store(self.memory.clone()).unwrap(),
        }
    }
}

/// What the actors and their test share.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    open: watch::Sender<bool>,
    began: Mutex<Vec<u32>>,
    ended: Mutex<Vec<u32>>,
}

impl Gate {
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    pub(crate) fn began(&self) -> Vec<u32> {
        self.began.lock().unwrap().clone()
    }

    pub(crate) fn ended(&self) -> Vec<u32> {
        self.ended.lock().unwrap().clone()
    }
}

/// Is done at once.
#[actor]
pub(crate) fn note(gate: &Arc<Gate>, number: u32) {
    gate.began.lock().unwrap().push(number);
    gate.ended.lock().unwrap().push(number);
}

/// Runs until the gate is open, on a thread of its own.
#[actor]
pub(crate) fn hold(gate: &Arc<Gate>, number: u32) {
    gate.began.lock().unwrap().push(number);
    block_on(gate.open.subscribe().wait_for(|open| *open)).unwrap();
    gate.ended.lock().unwrap().push(number);
}

/// Runs until the gate is open, on a runtime.
#[actor]
pub(crate) async fn hold_async(gate: &Arc<Gate>, number: u32) {
    gate.began.lock().unwrap().push(number);
    gate.open.subscribe().wait_for(|open| *open).await.unwrap();
    gate.ended.lock().unwrap().push(number);
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    assert!(process::eventually(PATIENCE, || is_so().then_some(())).is_some(), "{what}: not after {PATIENCE:?}");
}

/// Waits until so many are ready, and so many claimed.
pub(crate) fn settle(broker: &Broker, what: &str, ready: usize, claimed: usize) {
    let counts = || block_on(broker.counts(&QueueName::default())).unwrap();
    let wanted = Counts { ready, claimed, ..Counts::default() };
    let is_settled = process::eventually(PATIENCE, || (counts() == wanted).then_some(())).is_some();
    assert!(is_settled, "{what}, on {}: not after {PATIENCE:?}, but {:?}", broker.address(), counts());
}

/// Waits until no worker is registered.
pub(crate) fn all_have_left(broker: &Broker) {
    let workers = || block_on(broker.workers(None, 9)).unwrap();
    let have_left = process::eventually(PATIENCE, || workers().is_empty().then_some(())).is_some();
    assert!(have_left, "not signed off on {}: {:?}", broker.address(), workers());
}
