//! Sends that come at once share one call.
//!
//! The first one goes to the store at once, so that a sender who is alone waits for nothing. What others send while its call
//! is under way gathers, and goes as one batch as soon as that call is over: batches grow by themselves with the load, and
//! what a call costs the store is shared by all of them.
//!
//! A batch is no common fate. Each sender gets its own answer, in the order of sending; what a store refuses because of one
//! sender's message is tried again sender by sender. Only what is the same for all (nobody answers, the answer was lost) is
//! told to all whom it concerns. A large call goes by itself, after what was sent before it, so that nobody waits for it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use tokio::sync::oneshot;

use super::IoThread;
use crate::error::{EnqueueError, StoreError};
use crate::message::Message;
use crate::store::{Boxed, Inspect};

/// Messages of a sender that may share a call; more go by themselves.
const FEW: usize = 100;

/// Bytes of a sender's messages that may share a call; more go by themselves.
const SMALL: usize = 64 * 1024;

/// Messages that share one call at most: as many as a store takes in one step.
const MOST: usize = 1_000;

/// Bytes that share one call at most.
const MOST_BYTES: usize = 1024 * 1024;

/// What a sender is told.
type Sent = Result<Vec<Message>, EnqueueError>;

/// What is on its way to the store.
pub(super) struct Outbox<S: ?Sized = dyn Inspect> {
    store: Arc<S>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What gathers, in the order of sending.
    waiting: Vec<Submission>,
    /// What goes before that, as soon as a task has a turn: something large comes behind it, or nothing is under way.
    next: VecDeque<Vec<Submission>>,
    /// Tasks that send one batch after the other, until nothing waits any more. More than one only after a large call.
    loops: usize,
}

/// What one sender sends at once.
struct Submission {
    messages: Vec<Message>,
    bytes: usize,
    answer: Box<dyn FnOnce(Sent) + Send>,
}

impl<S: Enqueue + Send + ?Sized + 'static> Outbox<S> {
    pub(super) fn new(store: Arc<S>) -> Arc<Self> {
        Arc::new(Self { store, state: Mutex::default() })
    }

    /// Sends messages that take so many `bytes`, and waits for the answer.
    pub(super) async fn send(self: &Arc<Self>, io_thread: &IoThread, messages: Vec<Message>, bytes: usize) -> Sent {
        let (answer, sent) = oneshot::channel();
        let answer = Box::new(move |told| {
            // A caller that is gone does not want the answer.
            let _ = answer.send(told);
        });
        self.post(io_thread, Submission { messages, bytes, answer });
        sent.await.expect("the I/O thread answers what it was given, or panicked")
    }

    /// The same, blocking the thread.
    pub(super) fn send_blocking(self: &Arc<Self>, io_thread: &IoThread, messages: Vec<Message>, bytes: usize) -> Sent {
        let (answer, sent) = mpsc::sync_channel(1);
        let answer = Box::new(move |told| {
            let _ = answer.send(told);
        });
        self.post(io_thread, Submission { messages, bytes, answer });
        sent.recv().expect("the I/O thread answers what it was given, or panicked")
    }

    fn post(self: &Arc<Self>, io_thread: &IoThread, submission: Submission) {
        let mut state = self.lock();
        if submission.messages.len() > FEW || submission.bytes > SMALL {
            // What waits may be of the same sender, who relies on the order.
            while let Some(batch) = state.gathered() {
                io_thread.begin(self.send_loop(&mut state, batch).run());
            }
            let store = self.store.clone();
            io_thread.begin(async move {
                alone(&*store, submission, 0).await;
            });
        } else if state.loops == 0 {
            let send_loop = self.send_loop(&mut state, vec![submission]);
            // The I/O thread takes the lock as soon as it has the task.
            drop(state);
            io_thread.begin(send_loop.run());
        } else {
            state.waiting.push(submission);
        }
    }

    /// A task for one more batch. Whichever task has the first turn sends what was to be sent first.
    fn send_loop(self: &Arc<Self>, state: &mut State, batch: Vec<Submission>) -> SendLoop<S> {
        state.next.push_back(batch);
        state.loops += 1;
        SendLoop { outbox: self.clone(), is_done: false }
    }
}

impl<S: ?Sized> Outbox<S> {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is to be sent next.
    fn take(&mut self) -> Option<Vec<Submission>> {
        self.next.pop_front().or_else(|| self.gathered())
    }

    /// As much of what has gathered as may share a call.
    fn gathered(&mut self) -> Option<Vec<Submission>> {
        let (mut messages, mut bytes) = (0, 0);
        let fits = |submission: &&Submission| {
            messages += submission.messages.len();
            bytes += submission.bytes;
            messages <= MOST && bytes <= MOST_BYTES
        };
        let some = self.waiting.iter().take_while(fits).count();
        let rest = self.waiting.split_off(some);
        Some(std::mem::replace(&mut self.waiting, rest)).filter(|batch| !batch.is_empty())
    }
}

/// A task that sends batches while any wait.
struct SendLoop<S: ?Sized> {
    outbox: Arc<Outbox<S>>,
    is_done: bool,
}

impl<S: Enqueue + Send + ?Sized> SendLoop<S> {
    async fn run(mut self) {
        while let Some(batch) = self.take() {
            deliver(&*self.outbox.store, batch).await;
        }
    }

    /// What is to be sent next; with nothing left, this task is one less.
    fn take(&mut self) -> Option<Vec<Submission>> {
        let mut state = self.outbox.lock();
        let next = state.take();
        if next.is_none() {
            state.loops -= 1;
            self.is_done = true;
        }
        next
    }
}

impl<S: ?Sized> Drop for SendLoop<S> {
    /// Where the I/O thread ends or a store panics, nobody must wait for ever.
    fn drop(&mut self) {
        if !self.is_done {
            let mut state = self.outbox.lock();
            state.loops -= 1;
            let abandoned = if state.loops == 0 { std::mem::take(&mut *state) } else { State::default() };
            drop(state);
            drop(abandoned);
        }
    }
}

/// The one thing that is asked of a store here.
pub(super) trait Enqueue: Sync {
    fn enqueue<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Result<(), EnqueueError>>;
}

impl Enqueue for dyn Inspect {
    fn enqueue<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Result<(), EnqueueError>> {
        crate::store::Store::enqueue(self, messages)
    }
}

/// Sends submissions in one call, and tells each sender what became of its own.
async fn deliver(store: &(impl Enqueue + ?Sized), mut submissions: Vec<Submission>) {
    if submissions.len() == 1 {
        alone(store, submissions.remove(0), 0).await;
        return;
    }
    let counts: Vec<usize> = submissions.iter().map(|submission| submission.messages.len()).collect();
    let all: Vec<Message> = submissions.iter_mut().flat_map(|submission| submission.messages.drain(..)).collect();
    let (stored, mut common) = match store.enqueue(&all).await {
        Ok(()) => (all.len(), None),
        Err(EnqueueError::NotStored { stored, cause }) => (stored, of_all(cause)),
        Err(EnqueueError::Unknown(cause)) => (0, Some(EnqueueError::Unknown(cause))),
        Err(_) => (0, None),
    };
    let (mut all, mut before) = (all.into_iter(), 0);
    for (mut submission, count) in submissions.into_iter().zip(counts) {
        submission.messages.extend(all.by_ref().take(count));
        let first = stored.saturating_sub(before).min(count);
        before += count;
        if first == count {
            (submission.answer)(Ok(submission.messages));
        } else if let Some(error) = &common {
            (submission.answer)(Err(behind(first, error.clone())));
        } else {
            common = alone(store, submission, first).await;
        }
    }
}

/// Sends what one sender sent, from its message number `first` on, which counts from 0; those before are stored. Returns the
/// error of those who were to be sent after it, where that is clear already.
async fn alone(store: &(impl Enqueue + ?Sized), submission: Submission, first: usize) -> Option<EnqueueError> {
    let Submission { messages, answer, .. } = submission;
    match store.enqueue(&messages[first..]).await {
        Ok(()) => {
            answer(Ok(messages));
            None
        }
        Err(error) => {
            let others = match &error {
                EnqueueError::NotStored { cause, .. } => of_all(cause.clone()),
                EnqueueError::Unknown(cause) => Some(EnqueueError::NotStored { stored: 0, cause: cause.clone() }),
                _ => None,
            };
            answer(Err(behind(first, error)));
            others
        }
    }
}

/// What everybody is told where the cause is nobody's own.
fn of_all(cause: StoreError) -> Option<EnqueueError> {
    let is_common = matches!(cause, StoreError::Unreachable(_) | StoreError::Busy(_));
    is_common.then_some(EnqueueError::NotStored { stored: 0, cause })
}

/// The same error of messages that have so many stored ones before them.
fn behind(first: usize, error: EnqueueError) -> EnqueueError {
    match error {
        EnqueueError::NotStored { stored, cause } => EnqueueError::NotStored { stored: first + stored, cause },
        other => other,
    }
}

impl<S: ?Sized> fmt::Debug for Outbox<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::clock::Timestamp;
    use crate::queue_name::QueueName;

    /// Answers one call after the other as it is told, and notes how many messages each brought.
    struct Fake {
        answers: Mutex<VecDeque<Result<(), EnqueueError>>>,
        calls: Mutex<Vec<usize>>,
    }

    impl Enqueue for Fake {
        fn enqueue<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Result<(), EnqueueError>> {
            self.calls.lock().unwrap().push(messages.len());
            Box::pin(ready(self.answers.lock().unwrap().pop_front().unwrap()))
        }
    }

    fn message() -> Message {
        Message::new(QueueName::default(), "act", [], Timestamp::EPOCH)
    }

    /// Keeps the I/O thread in its first call until it is let go.
    struct Slow {
        begun: mpsc::SyncSender<()>,
        let_go: Mutex<mpsc::Receiver<()>>,
        calls: Mutex<Vec<usize>>,
    }

    impl Enqueue for Slow {
        fn enqueue<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Result<(), EnqueueError>> {
            let mut calls = self.calls.lock().unwrap();
            calls.push(messages.len());
            if calls.len() == 1 {
                self.begun.send(()).unwrap();
                self.let_go.lock().unwrap().recv().unwrap();
            }
            Box::pin(ready(Ok(())))
        }
    }

    #[test]
    fn what_was_sent_before_something_large_goes_before_what_is_sent_after_it() {
        let ((begun, has_begun), (go, let_go)) = (mpsc::sync_channel(1), mpsc::sync_channel(1));
        let slow = Arc::new(Slow { begun, let_go: Mutex::new(let_go), calls: Mutex::default() });
        let (io_thread, outbox) = (IoThread::start().unwrap(), Outbox::new(slow.clone()));
        let (told, answers) = mpsc::channel();
        let send = |count: usize| {
            let told = told.clone();
            let answer = Box::new(move |sent: Sent| told.send(sent.unwrap().len()).unwrap());
            outbox.post(&io_thread, Submission { messages: vec![message(); count], bytes: 0, answer });
        };
        send(1);
        has_begun.recv().unwrap();
        for count in [2, FEW + 1, 3, FEW + 2, 4] {
            send(count);
        }
        go.send(()).unwrap();
        let mut answered: Vec<usize> = answers.iter().take(6).collect();
        answered.sort_unstable();
        assert_eq!(answered, [1, 2, 3, 4, FEW + 1, FEW + 2]);
        let calls = slow.calls.lock().unwrap().clone();
        let small: Vec<_> = calls.iter().copied().filter(|count| *count <= FEW).collect();
        assert_eq!(small, [1, 2, 3, 4]);
        let place = |count| calls.iter().position(|call| *call == count);
        assert!(place(2) < place(FEW + 1) && place(3) < place(FEW + 2), "{calls:?}");
    }

    /// What senders of so many messages each are told when the store answers so, and how many messages each call brought.
    fn told(counts: &[usize], answers: &[Result<(), EnqueueError>]) -> (Vec<Result<usize, EnqueueError>>, Vec<usize>) {
        let told = Arc::<Mutex<Vec<Result<usize, EnqueueError>>>>::default();
        let submission = |count: &usize| {
            let told = told.clone();
            let answer = move |sent: Sent| told.lock().unwrap().push(sent.map(|messages| messages.len()));
            Submission { messages: vec![message(); *count], bytes: 0, answer: Box::new(answer) }
        };
        let fake = Fake { answers: Mutex::new(answers.iter().cloned().collect()), calls: Mutex::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(deliver(&fake, counts.iter().map(submission).collect()));
        assert_eq!(fake.answers.into_inner().unwrap().len(), 0);
        let told = told.lock().unwrap().clone();
        (told, fake.calls.into_inner().unwrap())
    }

    fn not_stored(stored: usize, cause: StoreError) -> EnqueueError {
        EnqueueError::NotStored { stored, cause }
    }

    fn full() -> StoreError {
        StoreError::Full("it".to_owned())
    }

    fn away() -> StoreError {
        StoreError::Unreachable("it".to_owned())
    }

    #[test]
    fn each_sender_gets_its_own_messages_back() {
        assert_eq!(told(&[1, 3, 2], &[Ok(())]), (vec![Ok(1), Ok(3), Ok(2)], vec![6]));
    }

    #[test]
    fn what_is_refused_for_one_sender_is_stored_for_the_others() {
        let answers = [Err(not_stored(0, full())), Ok(()), Err(not_stored(0, full())), Ok(())];
        let expected = vec![Ok(1), Err(not_stored(0, full())), Ok(1)];
        assert_eq!(told(&[1, 1, 1], &answers), (expected, vec![3, 1, 1, 1]));
    }

    #[test]
    fn a_sender_hears_how_many_of_its_own_are_stored() {
        let answers = [Err(not_stored(3, full())), Err(not_stored(0, full())), Ok(())];
        assert_eq!(told(&[2, 2, 1], &answers), (vec![Ok(2), Err(not_stored(1, full())), Ok(1)], vec![5, 1, 1]));
        let answers = [Err(not_stored(3, away()))];
        let expected = vec![Ok(2), Err(not_stored(1, away())), Err(not_stored(0, away()))];
        assert_eq!(told(&[2, 2, 1], &answers), (expected, vec![5]));
    }

    #[test]
    fn an_unknown_outcome_is_that_of_all_who_were_in_the_call_and_of_nobody_else() {
        let unknown = || EnqueueError::Unknown(away());
        assert_eq!(told(&[1, 1], &[Err(unknown())]), (vec![Err(unknown()), Err(unknown())], vec![2]));
        let answers = [Err(not_stored(0, full())), Err(unknown())];
        let expected = vec![Err(unknown()), Err(not_stored(0, away())), Err(not_stored(0, away()))];
        assert_eq!(told(&[1, 1, 1], &answers), (expected, vec![3, 1]), "the others were not sent any more");
    }
}
