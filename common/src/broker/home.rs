//! The thread that a broker's connections, its beat and its worker's loop live on.
//!
//! Nothing of the user's runs here, so nothing that an actor does can hold up a heartbeat; and a runtime of one thread
//! takes half the processor time a call that several threads would.

use std::future::Future;
use std::io;
use std::panic;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

/// A thread with a runtime of its own, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Home {
    runtime: Handle,
    end: Arc<Notify>,
}

impl Home {
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
        thread::Builder::new().name("home".to_owned()).spawn(move || runtime.block_on(ended.notified()))?;
        Ok(Self { runtime: handle, end })
    }

    /// Runs `work` there and waits for it, from any runtime. What it began goes on when the caller stops waiting.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self.runtime.spawn(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(cause) => panic::resume_unwind(cause),
                // Home ends only once nobody holds the broker, and who waits here holds it.
                Err(error) => panic!("home ended under a caller: {error}"),
            },
        }
    }

    /// Begins `work` there, which nobody waits for.
    pub(crate) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.end.notify_one();
    }
}
