//! Where the runs of a slot happen: a sync actor's on the slot's own thread, an async one's in a task.
//!
//! Whichever it is holds the slot's number; when the next message is of the other kind, it hands the number over. A
//! thread is started when its slot first runs a sync actor.
//!
//! A runtime may end before its worker does: with the test, or the `main`, that it belongs to. What it ran is dropped in the
//! middle then, and given back; nothing can run there any more, so the worker ends.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;
use tracing::error;

use super::event::Event;
use super::pool::{Job, Pool};
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
        Run::Async(_) => spawn_tasks(pool.clone(), slot, job),
    }
}

/// Tells home when the runtime ends, until the handle aborts that.
pub(super) fn watch(runtime: &Handle, events: UnboundedSender<Event>) -> AbortHandle {
    let last_words = OnEnd(events);
    let watching = async move {
        let _last_words = last_words;
        std::future::pending::<()>().await;
    };
    runtime.spawn(watching).abort_handle()
}

struct OnEnd(UnboundedSender<Event>);

impl Drop for OnEnd {
    fn drop(&mut self) {
        // Home may be gone already.
        let _ = self.0.send(Event::RuntimeGone);
    }
}

/// A slot whose number a task holds. A task that is dropped in the middle gives it back, and its message.
struct SlotOfTask {
    pool: Arc<Pool>,
    slot: usize,
    is_handed_on: bool,
}

impl Drop for SlotOfTask {
    fn drop(&mut self) {
        // Amid a panic as well: a runtime is dropped so when a test fails, and a slot that nobody gives up would never be free.
        if !self.is_handed_on {
            self.pool.give_up(self.slot);
        }
    }
}

fn spawn_tasks(pool: Arc<Pool>, slot: usize, job: Job) {
    let runtime = pool.runtime.clone();
    // Made before the task is: a runtime that has ended drops it without a single step.
    let tasks = run_tasks(SlotOfTask { pool, slot, is_handed_on: false }, job);
    if let Some(runtime) = runtime {
        runtime.spawn(tasks);
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
            pool.could_not_run(slot);
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
                spawn_tasks(pool.clone(), slot, job);
                break;
            }
            let ending = pool.runner.run(slot, job);
            next = pool.visit(slot, Some(ending));
        }
    }
}

/// Runs async actors one after the other, as long as there are any.
async fn run_tasks(mut held: SlotOfTask, first: Job) {
    let slot = held.slot;
    let mut next = Some(first);
    while let Some(job) = next {
        if let Run::Sync(_) = job.actor.run {
            held.is_handed_on = true;
            run_on_thread(&held.pool, slot, job);
            return;
        }
        let ending = held.pool.runner.run_async(slot, job).await;
        next = held.pool.visit(slot, Some(ending));
        held.is_handed_on = next.is_none();
        // Actors that never wait must not keep the runtime to themselves.
        tokio::task::consume_budget().await;
    }
}
