//! Working off what is left, and what lies in Redis meanwhile.

use super::{Kind, Operation, Runner, Wrong};
use crate::model::places::Item;

/// So many minutes are enough for all that has to come due, or to be found dead.
const MINUTES: usize = 8;

impl Runner {
    /// Every message that has not ended lies in Redis, once, where dramatiq's rules lead to it; nothing else does.
    pub(super) async fn reach(&self) -> Result<(), Wrong> {
        let Some(script) = &self.script else { return Ok(()) };
        let lists = self.queues.iter().flat_map(|queue| [queue.as_str().to_owned(), queue.delay()]);
        self.places.lying(&script.bodies(&lists.collect::<Vec<_>>()).await)
    }

    /// Whoever claims anything on Redis shows signs of life there, as long as nobody has taken it over.
    pub(super) async fn claimed_by_the_living(&self) -> Result<(), Wrong> {
        let Some(script) = &self.script else { return Ok(()) };
        let forgotten = script.forgotten().await;
        if forgotten.is_empty() { Ok(()) } else { Err(Wrong(format!("nobody would look at {forgotten:?}"))) }
    }

    /// A new worker does all that is left, by itself; then its queues leave nothing behind in Redis.
    ///
    /// # Errors
    ///
    /// Where something is left, or the store does not do what it should.
    pub async fn drain_by_rust(&mut self) -> Result<(), Wrong> {
        self.all_die();
        while !self.places.paused.is_empty() {
            self.happens(Kind::Resume, [0; 3]).await?;
        }
        // For both queues.
        self.happens(Kind::Register, [2, 0, 0]).await?;
        self.happens(Kind::Week, [0; 3]).await?;
        for _ in 0..MINUTES {
            self.happens(Kind::Watch, [0; 3]).await?;
            while self.is_ready() {
                // As many as may be, without a limit.
                self.happens(Kind::Fetch, [0, 3, 1]).await?;
                while self.any(|worker| !worker.held.is_empty()).is_some() {
                    self.happens(Kind::Done, [0; 3]).await?;
                }
            }
        }
        self.is_drained(|_| true)?;
        self.happens(Kind::Deregister, [0; 3]).await?;
        let Some(script) = &self.script else { return Ok(()) };
        let left = script.left().await;
        if left.is_empty() { Ok(()) } else { Err(Wrong(format!("{left:?} should have gone with the last message"))) }
    }

    /// One of Python's workers does all that is left, by itself; where Python takes part. What is no message it cannot end.
    ///
    /// # Errors
    ///
    /// Where something is left, or the store does not do what it should.
    pub async fn drain_by_python(&mut self) -> Result<(), Wrong> {
        if self.script.is_none() {
            return Ok(());
        }
        self.all_die();
        self.happens(Kind::Week, [0; 3]).await?;
        for _ in 0..MINUTES {
            self.happens(Kind::Minute, [0; 3]).await?;
            for queue in 0..2 {
                for delayed in 0..2 {
                    self.happens(Kind::PythonMaintain, [queue, delayed, 0]).await?;
                }
            }
            // One at a time: what is no message makes Python forget all that came with it.
            while self.has_listed(true) {
                for queue in 0..2 {
                    self.happens(Kind::PythonFetchDelayed, [queue, 0, 0]).await?;
                }
            }
            while self.python_has_due() > 0 {
                self.happens(Kind::PythonPromote, [0; 3]).await?;
            }
            while self.has_listed(false) {
                for queue in 0..2 {
                    self.happens(Kind::PythonFetch, [queue, 0, 0]).await?;
                }
            }
            while self.python_has_any(false) {
                self.happens(Kind::PythonAck, [0; 3]).await?;
            }
        }
        self.is_drained(|item| item.raw.is_none())
    }

    /// All workers die, and a new one of Python's begins.
    fn all_die(&mut self) {
        self.tell(|| "all workers die".to_owned());
        for worker in &mut self.workers {
            worker.is_alive = false;
        }
        if self.script.is_some() {
            self.start_python();
        }
    }

    async fn happens(&mut self, kind: Kind, picks: [u32; 3]) -> Result<(), Wrong> {
        if self.step(Operation { kind, picks }).await? {
            Ok(())
        } else {
            Err(Wrong(format!("\"{kind}\" should have been possible")))
        }
    }

    /// Nothing is left of what had to be done.
    fn is_drained(&self, had_to_be_done: impl FnMut(&&Item) -> bool) -> Result<(), Wrong> {
        let left: Vec<_> = self.places.items.iter().filter(had_to_be_done).collect();
        if left.is_empty() { Ok(()) } else { Err(Wrong(format!("nobody has come to {left:?}"))) }
    }
}
