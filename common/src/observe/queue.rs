//! What waits for observers, and the thread that tells them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tokio::sync::oneshot;
use tracing::{error, warn};

use super::{MAX_WAITING, Observer, Reports};
use crate::outcome::catch;

/// Tells a worker's observers, on a thread of its own.
#[derive(Debug)]
pub(crate) struct ReportQueue {
    batches: Sender<Reports>,
    numbers: Arc<Numbers>,
    ended: oneshot::Receiver<()>,
}

#[derive(Debug, Default)]
struct Numbers {
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

impl ReportQueue {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system has none left.
    pub(crate) fn start(observers: Vec<Arc<dyn Observer>>) -> io::Result<Self> {
        let (batches, receiver) = channel();
        let (end, ended) = oneshot::channel();
        let numbers = Arc::new(Numbers::default());
        let of_thread = numbers.clone();
        thread::Builder::new().name("observers".to_owned()).spawn(move || {
            run(&observers, &receiver, &of_thread);
            // Nobody may wait for it.
            let _ = end.send(());
        })?;
        Ok(Self { batches, numbers, ended })
    }

    /// Takes in what there is room for.
    pub(crate) fn add(&self, mut reports: Reports) {
        if reports.is_empty() {
            return;
        }
        let Numbers { waiting, dropped } = &*self.numbers;
        let room = MAX_WAITING.saturating_sub(waiting.load(Ordering::Relaxed));
        if reports.len() > room {
            dropped.fetch_add((reports.len() - room) as u64, Ordering::Relaxed);
            reports.truncate(room);
        }
        waiting.fetch_add(reports.len(), Ordering::Relaxed);
        // The thread ends after this does.
        let _ = self.batches.send(reports);
    }

    /// Lets the thread end once it has told all that waits, and waits for that.
    pub(crate) async fn close(self) {
        drop(self.batches);
        let _ = self.ended.await;
    }
}

fn run(observers: &[Arc<dyn Observer>], batches: &Receiver<Reports>, numbers: &Numbers) {
    let mut has_panicked = vec![false; observers.len()];
    let mut tell = |at: usize, call: &dyn Fn(&dyn Observer)| {
        let observer: &Arc<dyn Observer> = &observers[at];
        let Err(panic) = catch(|| call(&**observer)) else { return };
        if !std::mem::replace(&mut has_panicked[at], true) {
            error!(target: "common::worker", "the observer `{}` {}; said once", observer.name(), panic.text);
        }
    };
    let mut is_slow = false;
    for batch in batches {
        let dropped = numbers.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 && !std::mem::replace(&mut is_slow, true) {
            warn!(
                target: "common::worker",
                "observers are slower than this worker: {MAX_WAITING} reports wait for them, and further ones are dropped; said once"
            );
        }
        for at in 0..observers.len() {
            if dropped > 0 {
                tell(at, &|observer| observer.dropped(dropped));
            }
            for report in &batch {
                tell(at, &|observer| observer.observe(report));
            }
        }
        numbers.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
    }
}
