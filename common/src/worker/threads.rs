//! Where the runs of a slot happen: a sync actor's on the slot's own thread, an async one's in a task.
//!
//! Whichever it is holds the slot's number; when the next message is of the other kind, it hands the number over. A
//! thread is started when its slot first runs a sync actor.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tracing::error;

use super::pool::{Job, Pool, head};
use crate::actor::Run;

/// The threads of all slots, as far as they were started.
#[derive(Debug)]
pub(super) struct Threads(Vec<Mutex<Option<Sender<Job>>>>);

impl Threads {
    pub(super) fn new(slots: usize) -> Self {
        Self(std::iter::repeat_with(Mutex::default).take(slots).collect())
    }
}

/// Starts a message on a slot that nobody uses.
pub(super) fn start(pool: &Arc<Pool>, slot: usize, job: Job) {
    match job.actor.run {
        Run::Sync(_) => run_on_thread(pool, slot, job),
        Run::Async(_) => {
            pool.runtime.spawn(run_tasks(pool.clone(), slot, job));
        }
    }
}

fn run_on_thread(pool: &Arc<Pool>, slot: usize, job: Job) {
    let mut mailbox = pool.threads.0[slot].lock().unwrap_or_else(PoisonError::into_inner);
    let job = match mailbox.as_ref() {
        None => job,
        // A thread never ends before its mailbox does, so this hands the job back only in a world gone wrong.
        Some(thread) => match thread.send(job) {
            Ok(()) => return,
            Err(unsent) => unsent.0,
        },
    };
    let (sender, receiver) = channel();
    let claim = job.claim.clone();
    // Nobody else has the sender, so the channel is open.
    let _ = sender.send(job);
    let weak = Arc::downgrade(pool);
    let name = format!("slot {}", slot + 1);
    let started = thread::Builder::new().name(name).spawn(move || run_thread(&weak, slot, &receiver));
    match started {
        Ok(_) => *mailbox = Some(sender),
        Err(cause) => {
            drop(mailbox);
            error!(target: "common::worker", "no thread for slot {}: {cause}; its message goes back", slot + 1);
            // Others may have a thread; this slot tries again with the next message.
            pool.free(slot, head(claim));
        }
    }
}

/// Runs what comes in, until the pool is gone.
fn run_thread(pool: &std::sync::Weak<Pool>, slot: usize, mailbox: &Receiver<Job>) {
    while let Ok(first) = mailbox.recv() {
        let Some(pool) = pool.upgrade() else { return };
        let mut next = Some(first);
        while let Some(job) = next {
            if let Run::Async(_) = job.actor.run {
                pool.runtime.spawn(run_tasks(pool.clone(), slot, job));
                break;
            }
            let ending = pool.runner.run(slot, job);
            next = pool.visit(slot, Some(ending));
        }
    }
}

/// Runs async actors one after the other, as long as there are any.
async fn run_tasks(pool: Arc<Pool>, slot: usize, first: Job) {
    let mut next = Some(first);
    while let Some(job) = next {
        if let Run::Sync(_) = job.actor.run {
            run_on_thread(&pool, slot, job);
            return;
        }
        let ending = pool.runner.run_async(slot, job).await;
        next = pool.visit(slot, Some(ending));
        // Actors that never wait must not keep the runtime to themselves.
        tokio::task::consume_budget().await;
    }
}
