//! Tells a worker that one of its runs waits for what others do: for a result, or for a limit that others have to give back.
//!
//! A run is known by its thread, a future by the thread that polls it. What an actor spawns is not known.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

/// Whoever hears of it.
pub(crate) trait Host: Send + Sync {
    /// One run more waits.
    fn waits(&self);

    /// One run fewer does.
    fn waits_no_more(&self);
}

type Here = Option<Arc<dyn Host>>;

thread_local! {
    static HERE: RefCell<Here> = const { RefCell::new(None) };
}

/// From now on, this thread runs what belongs to this worker only.
pub(crate) fn settle(host: Arc<dyn Host>) {
    HERE.set(Some(host));
}

/// A future that belongs to a run of this worker.
pub(crate) fn of<F: Future>(host: Arc<dyn Host>, future: F) -> impl Future<Output = F::Output> {
    inside(Some(host), future)
}

/// A future that belongs to the run that goes on here, if one does, wherever it is polled.
pub(crate) fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
    inside(HERE.with_borrow(Clone::clone), future)
}

async fn inside<F: Future>(mut here: Here, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|task| {
        let _exchanged = Exchanged::with(&mut here);
        future.as_mut().poll(task)
    })
    .await
}

/// A future for which the run that polls it waits, unless it is ready at once.
pub(crate) async fn waiting<F: Future>(future: F) -> F::Output {
    let (mut future, mut waiting) = (pin!(future), None);
    poll_fn(|task| {
        let poll = future.as_mut().poll(task);
        if poll.is_pending() {
            waiting.get_or_insert_with(Waiting::begin);
        }
        poll
    })
    .await
}

/// A run waits while this lives.
struct Waiting(Here);

impl Waiting {
    fn begin() -> Self {
        let here = HERE.with_borrow(Clone::clone);
        if let Some(host) = &here {
            host.waits();
        }
        Self(here)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(host) = &self.0 {
            host.waits_no_more();
        }
    }
}

/// What belongs here for the moment; at its end, even by a panic, what did before.
struct Exchanged<'a>(&'a mut Here);

impl<'a> Exchanged<'a> {
    fn with(here: &'a mut Here) -> Self {
        HERE.with_borrow_mut(|current| std::mem::swap(current, here));
        Self(here)
    }
}

impl Drop for Exchanged<'_> {
    fn drop(&mut self) {
        HERE.with_borrow_mut(|current| std::mem::swap(current, self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI32, Ordering};
    use std::task::{Context, Poll, Waker};

    #[derive(Default)]
    struct Counts(AtomicI32);

    impl Host for Counts {
        fn waits(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn waits_no_more(&self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_wait_is_its_own_workers_wherever_it_is_polled() {
        let [one, other] = [(); 2].map(|()| Arc::new(Counts::default()));
        let counted = || [&one, &other].map(|counts| counts.0.load(Ordering::Relaxed));
        let nobody = Waiting::begin();
        let run = of(one.clone(), async {
            let carried = carried(async { Waiting::begin() });
            let own = Waiting::begin();
            let others = of(other.clone(), async { (Waiting::begin(), carried.await) }).await;
            (own, others, Waiting::begin())
        });
        let (own, (others, carried), last) = run.await;
        assert_eq!(counted(), [3, 1]);
        drop((own, nobody, Waiting::begin()));
        assert_eq!(counted(), [2, 1]);
        drop((others, carried, last));
        assert_eq!(counted(), [0, 0]);

        of(one.clone(), waiting(async { assert_eq!(counted(), [0, 0]) })).await;
        let mut polls = 0;
        let twice = poll_fn(|_| {
            polls += 1;
            if polls < 3 { Poll::Pending } else { Poll::Ready(counted()) }
        });
        let (mut run, mut task) = (pin!(of(one.clone(), waiting(twice))), Context::from_waker(Waker::noop()));
        for _ in 0..2 {
            assert!(run.as_mut().poll(&mut task).is_pending());
            assert_eq!(counted(), [1, 0]);
        }
        assert_eq!(run.await, [1, 0]);
        assert_eq!(counted(), [0, 0]);
    }
}
