//! The thread that a broker's connections, its beat and its worker's loop live on.
//!
//! Nothing of the user's runs here, so nothing that an actor does can hold up a heartbeat; and a runtime of one thread
//! takes half the processor time a call that several threads would.

use std::future::Future;
use std::io;
use std::panic;
use std::process;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::actor::waits;
use crate::error::Forked;

/// A thread with a runtime of its own, which ends when this is dropped and everything that was begun there is done.
#[derive(Debug)]
pub(crate) struct IoThread {
    runtime: Handle,
    in_use: Arc<InUse>,
    /// The process whose thread it is: a fork does not take it along.
    process: u32,
}

/// Ends the thread when its last owner is gone. Each piece of work is one.
#[derive(Debug)]
struct InUse(Arc<Notify>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        if self.check().is_err() {
            // What waits there waits on a stack that is not there.
            std::mem::forget(self.in_use.clone());
        }
    }
}

impl IoThread {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let end = Arc::new(Notify::new());
        let ended = end.clone();
        thread::Builder::new().name("io".to_owned()).spawn(move || runtime.block_on(ended.notified()))?;
        Ok(Self { runtime: handle, in_use: Arc::new(InUse(end)), process: process::id() })
    }

    /// Whether the thread is there.
    ///
    /// # Errors
    ///
    /// In a process that was forked since it started: whatever waits for it would wait for ever.
    pub(crate) fn check(&self) -> Result<(), Forked> {
        let child = process::id();
        if child == self.process { Ok(()) } else { Err(Forked { parent: self.process, child }) }
    }

    /// Runs `work` there and waits for it, from any runtime. What it began goes on when the caller stops waiting.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        finished(self.spawn(work).await)
    }

    /// Runs `work` there, while this thread waits for it. It belongs to the run that asks for it.
    pub(crate) fn run_blocking<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (answer, done) = mpsc::sync_channel(1);
        let work = waits::carried(work);
        self.begin(async move {
            // The caller waits for it.
            let _ = answer.send(work.await);
        });
        done.recv().expect("the I/O thread answers what it was given, or panicked")
    }

    /// Runs `work` there, which ends when the caller stops waiting. It belongs to the run that asks for it.
    pub(crate) async fn run_while_wanted<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let mut work = Wanted(self.spawn(waits::carried(work)));
        finished((&mut work.0).await)
    }

    /// Begins `work` there, which nobody waits for.
    pub(crate) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn(work);
    }

    fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        let in_use = self.in_use.clone();
        self.runtime.spawn(async move {
            let done = work.await;
            drop(in_use);
            done
        })
    }
}

/// Work that goes with whoever waits for it.
struct Wanted<T>(JoinHandle<T>);

impl<T> Drop for Wanted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn finished<T>(done: Result<T, tokio::task::JoinError>) -> T {
    match done {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(cause) => panic::resume_unwind(cause),
            // The thread ends only once nothing runs there.
            Err(error) => panic!("the I/O thread ended under a caller: {error}"),
        },
    }
}
