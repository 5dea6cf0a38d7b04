//! Where the runs of a slot happen: a sync actor's on the slot's own thread, an async one's in a task.
//!
//! Whichever it is holds the slot's number; when the next message is of the other kind, it hands the number over. A
//! thread is started when its slot first runs a sync actor.
//!
//! A runtime may end before its worker does: with the test, or the `main`, that it belongs to. What it ran is dropped in the
//! middle then, and requeued; nothing can run there any more, so the worker ends.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, JoinHandle, spawn_blocking};
use tracing::error;

use super::ended::{Condemned, Ended};
use super::event::Event;
use super::executor::Executor;
use super::job::Job;
use super::local_queue::{LocalQueue, Stuck};
use crate::actor::{Entry, waits};

/// Runs what slots are given, each on its thread, as far as that was started, or in a task.
pub(super) struct Threads {
    queue: Arc<LocalQueue>,
    executor: Executor,
    /// Where async actors run.
    runtime: Option<Handle>,
    mailboxes: Vec<Mutex<Option<Sender<Job>>>>,
}

impl Threads {
    pub(super) fn new(slots: usize, queue: Arc<LocalQueue>, executor: Executor, runtime: Option<Handle>) -> Arc<Self> {
        let mailboxes = std::iter::repeat_with(Mutex::default).take(slots).collect();
        Arc::new(Self { queue, executor, runtime, mailboxes })
    }

    /// Ends what is not run, away from slots and from the I/O thread: hooks are code of users.
    pub(super) fn condemn(self: &Arc<Self>, condemned: Vec<Condemned>) -> JoinHandle<Vec<Ended>> {
        let threads = self.clone();
        spawn_blocking(move || condemned.into_iter().map(|condemned| threads.executor.condemn(condemned)).collect())
    }

    /// Ends messages whose runs are stuck, away from slots and from the I/O thread; each of their slots gets a thread of its own.
    pub(super) fn time_out(self: &Arc<Self>, stuck: Vec<Stuck>) -> JoinHandle<Vec<Ended>> {
        for stuck in &stuck {
            self.mailboxes[stuck.slot].lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        let threads = self.clone();
        spawn_blocking(move || stuck.iter().map(|stuck| threads.executor.time_out(stuck)).collect())
    }

    /// What the slots pull from.
    pub(super) fn queue(&self) -> &Arc<LocalQueue> {
        &self.queue
    }

    /// Starts messages on slots that nobody uses.
    pub(super) fn start(self: &Arc<Self>, starts: impl IntoIterator<Item = (usize, Job)>) {
        for (slot, job) in starts {
            match job.actor.entry {
                // The registry takes no remote actors.
                Entry::Sync(_) | Entry::Remote => run_on_thread(self, slot, job),
                Entry::Async(_) => spawn_tasks(self.clone(), slot, job),
            }
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("slots", &self.mailboxes.len()).finish_non_exhaustive()
    }
}

/// Tells the consumer when the runtime ends, until the handle aborts that.
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
        // The I/O thread may be gone already.
        let _ = self.0.send(Event::RuntimeGone);
    }
}

/// A slot whose number a task holds. A task that is dropped in the middle gives it back, and its message.
struct SlotOfTask {
    threads: Arc<Threads>,
    slot: usize,
    generation: u32,
    is_handed_on: bool,
}

impl Drop for SlotOfTask {
    fn drop(&mut self) {
        // Amid a panic as well: a runtime is dropped so when a test fails, and a slot that nobody gives up would never be free.
        if !self.is_handed_on {
            self.threads.queue.give_up(self.slot, self.generation);
        }
    }
}

fn spawn_tasks(threads: Arc<Threads>, slot: usize, job: Job) {
    let runtime = threads.runtime.clone();
    let generation = threads.queue.generation(slot);
    // Made before the task is: a runtime that has ended drops it without a single step.
    let tasks = run_tasks(SlotOfTask { threads, slot, generation, is_handed_on: false }, job);
    if let Some(runtime) = runtime {
        runtime.spawn(tasks);
    }
}

fn run_on_thread(threads: &Arc<Threads>, slot: usize, job: Job) {
    let mut mailbox = threads.mailboxes[slot].lock().unwrap_or_else(PoisonError::into_inner);
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
    let (weak, generation, queue) = (Arc::downgrade(threads), threads.queue.generation(slot), threads.queue.clone());
    let name = format!("slot {}", slot + 1);
    let started = thread::Builder::new().name(name).spawn(move || {
        waits::settle(queue);
        run_thread(&weak, slot, generation, &receiver);
    });
    match started {
        Ok(_) => *mailbox = Some(sender),
        Err(cause) => {
            drop(mailbox);
            error!(target: "common::worker", "no thread for slot {}: {cause}; its message is requeued", slot + 1);
            // Others may have a thread; this slot tries again with the next message.
            threads.queue.could_not_run(slot);
        }
    }
}

/// Runs what comes in, until the worker is gone.
fn run_thread(threads: &Weak<Threads>, slot: usize, generation: u32, mailbox: &Receiver<Job>) {
    while let Ok(first) = mailbox.recv() {
        let Some(threads) = threads.upgrade() else { return };
        let mut next = Some(first);
        while let Some(job) = next {
            if let Entry::Async(_) = job.actor.entry {
                spawn_tasks(threads.clone(), slot, job);
                break;
            }
            let ended = threads.executor.run(slot, job);
            next = threads.queue.visit(slot, generation, Some(ended));
        }
    }
}

/// Runs async actors one after the other, as long as there are any.
async fn run_tasks(mut held: SlotOfTask, first: Job) {
    let slot = held.slot;
    let mut next = Some(first);
    while let Some(job) = next {
        if let Entry::Sync(_) = job.actor.entry {
            held.is_handed_on = true;
            run_on_thread(&held.threads, slot, job);
            return;
        }
        let ended = waits::of(held.threads.queue.clone(), held.threads.executor.run_async(slot, job)).await;
        next = held.threads.queue.visit(slot, held.generation, Some(ended));
        held.is_handed_on = next.is_none();
        // Actors that never wait must not keep the runtime to themselves.
        tokio::task::consume_budget().await;
    }
}
