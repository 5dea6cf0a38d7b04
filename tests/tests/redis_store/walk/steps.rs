//! What may happen.

use std::time::Duration;

use common::error::StoreError;
use common::message::{Message, option};
use common::store::{Body, Completion, Disposition, Effect, FetchRequest, Finished, Store as _};

use super::python::{Python, due};
use super::{QUEUES, Walk, Worker, number_in};
use crate::rig::*;

/// The longest delay, in milliseconds.
const LONGEST_DELAY: u64 = 20_000;

impl Walk {
    /// One step; some come to nothing.
    pub(super) async fn step(&mut self) {
        match self.random.below(100) {
            0..14 => self.rust_enqueues().await,
            14..20 => self.python_enqueues().await,
            20..40 => self.rust_fetches().await,
            40..56 => self.rust_finishes().await,
            56..72 => self.time_passes().await,
            72..76 => self.rust_dies(),
            76..82 => self.rust_joins().await,
            82..90 => self.python_fetches().await,
            90..97 => self.python_ends().await,
            _ => self.python_dies(),
        }
    }

    fn queue(&mut self) -> &'static str {
        QUEUES[self.random.index(QUEUES.len())]
    }

    fn later(&mut self) -> Duration {
        Duration::from_millis(self.random.below(LONGEST_DELAY))
    }

    async fn rust_enqueues(&mut self) {
        let mut batch = Vec::new();
        for _ in 0..=self.random.below(4) {
            let mut message = message(self.queue(), self.next());
            if self.random.chance(30) {
                message = with_option(message, option::PRIORITY, self.random.number(7) - 3);
            }
            if self.random.chance(40) {
                message.set_eta(Some(self.rig.clock.now() + self.later()));
            }
            batch.push(message);
        }
        self.tell(format!("rust enqueues {:?}", batch.iter().map(ToString::to_string).collect::<Vec<_>>()));
        self.rig.enqueue(&batch).await;
        if self.random.chance(15) {
            // The answer was lost.
            self.rig.enqueue(&batch).await;
        }
    }

    async fn python_enqueues(&mut self) {
        let (mut queue, mut eta) = (self.queue().to_owned(), None);
        if self.random.chance(50) {
            queue.push_str(".DQ");
            eta = Some((self.rig.clock.now() + self.later()).as_millis());
        }
        let number = self.next();
        self.tell(format!("python enqueues {number} in {queue}"));
        self.script.enqueue(&self.rig, "sender", &queue, number, eta).await;
    }

    /// A worker that is awake; one that woke a moment ago has not beaten yet.
    fn worker(&mut self) -> Option<usize> {
        if self.workers.is_empty() {
            return None;
        }
        let at = self.random.index(self.workers.len());
        (self.workers[at].asleep <= 1).then_some(at)
    }

    async fn rust_fetches(&mut self) {
        let Some(at) = self.worker() else { return };
        let count = 1 + self.random.index(4);
        let registration = self.workers[at].registration.clone();
        let requests: Vec<FetchRequest> =
            registration.queues.iter().map(|queue| FetchRequest { queue: queue.clone(), count }).collect();
        match self.rig.store.fetch(&registration, &requests, usize::MAX).await {
            Ok(fetched) => {
                let found = fetched.deliveries;
                let is_lost = self.random.chance(6);
                self.tell(format!("rust {at} fetches {:?}, answer lost: {is_lost}", arguments(&found)));
                if !is_lost {
                    self.workers[at].held.extend(found);
                }
            }
            Err(error) => {
                assert_eq!(error, StoreError::NotRegistered);
                self.tell(format!("rust {at} is a stranger"));
            }
        }
    }

    fn completion_of(&mut self, message: &Message) -> (Disposition, Vec<Effect>) {
        let disposition = match self.random.below(10) {
            0..5 => Disposition::Ack,
            5 => Disposition::Requeue(message.clone()),
            6 => Disposition::Retry(self.rig.clock.now() + self.later(), message.clone()),
            7 => Disposition::Release,
            8 => Disposition::DeadLetter(Body::Message(message.clone()), "why".to_owned()),
            _ => {
                // It lives only if the completion happens.
                self.last += 1;
                let next = super::message(self.queue(), self.last);
                return (Disposition::Ack, vec![Effect::Enqueue(next)]);
            }
        };
        (disposition, Vec::new())
    }

    async fn rust_finishes(&mut self) {
        let Some(at) = self.worker() else { return };
        let mut completions = Vec::new();
        let mut numbers = Vec::new();
        for _ in 0..self.random.below(4) {
            if self.workers[at].held.is_empty() {
                break;
            }
            let index = self.random.index(self.workers[at].held.len());
            let delivery = self.workers[at].held.remove(index);
            let (disposition, effects) = self.completion_of(&delivered(&delivery));
            numbers.push(arguments(std::slice::from_ref(&delivery))[0]);
            completions.push(Completion { effects, ..completion(&delivery.claim, disposition) });
        }
        let registration = self.workers[at].registration.clone();
        let answers = self.rig.store.finish(&registration, &completions).await.unwrap();
        self.tell(format!("rust {at} finishes {numbers:?}: {answers:?} of {completions:?}"));
        for ((completion, answer), number) in completions.iter().zip(&answers).zip(numbers) {
            if *answer == Finished::ClaimLost {
                continue;
            }
            assert_eq!(*answer, Finished::Done);
            for effect in &completion.effects {
                let Effect::Enqueue(next) = effect else { continue };
                self.live.insert(next.args[0].read().unwrap());
            }
            if matches!(completion.disposition, Disposition::Ack | Disposition::DeadLetter(..)) {
                self.end(number);
            }
        }
        let may_repeat = !completions.iter().any(|completion| completion.disposition == Disposition::Release);
        if may_repeat && self.random.chance(20) {
            let again = self.rig.store.finish(&registration, &completions).await.unwrap();
            assert!(again.iter().all(|answer| *answer == Finished::ClaimLost), "{again:?}\n{}", self.story());
        }
    }

    async fn time_passes(&mut self) {
        let millis = match self.random.below(20) {
            0..2 => 70_000,
            2 => 5_500,
            3..5 => 3_000,
            _ => 1_100,
        };
        self.rig.clock.advance(Duration::from_millis(millis));
        self.tell(format!("{millis} ms pass"));
        if millis == 70_000 && self.random.chance(50) {
            // All stand still, for so long that Python takes over what the fleet holds.
            return;
        }
        for at in 0..self.workers.len() {
            if self.workers[at].asleep > 0 {
                self.workers[at].asleep -= 1;
            } else if self.random.chance(12) {
                self.workers[at].asleep = 4 + self.random.below(6);
                self.tell(format!("  rust {at} falls asleep"));
            } else {
                self.beat(at).await;
            }
        }
    }

    fn rust_dies(&mut self) {
        if !self.workers.is_empty() {
            let at = self.random.index(self.workers.len());
            let worker = self.workers.remove(at);
            self.tell(format!("rust {at} dies with {:?}", arguments(&worker.held)));
        }
    }

    async fn rust_joins(&mut self) {
        if self.workers.len() < 4 {
            let queues: &[&str] = [&["a"][..], &["b"], &["a", "b"]][self.random.index(3)];
            let registration = self.rig.register(queues).await;
            self.tell(format!("rust registers for {queues:?}"));
            self.workers.push(Worker { registration, held: Vec::new(), asleep: 0 });
        }
    }

    async fn python_fetches(&mut self) {
        let at = self.random.index(self.pythons.len());
        let mut queue = self.queue().to_owned();
        if self.random.chance(50) {
            queue.push_str(".DQ");
        }
        let count = 1 + self.random.below(4);
        let maintains = self.random.chance(50);
        let before = self.pythons[at].held.len();
        self.script.fetch(&self.rig, &mut self.pythons[at], &queue, count, maintains).await;
        let found: Vec<i64> = self.pythons[at].held[before..].iter().map(|taken| number_in(&taken.bytes)).collect();
        self.tell(format!("python {at} fetches {found:?} from {queue}, maintains: {maintains}"));
    }

    async fn python_ends(&mut self) {
        let at = self.random.index(self.pythons.len());
        let python = &self.pythons[at];
        if python.held.is_empty() {
            return;
        }
        let index = self.random.index(python.held.len());
        let taken = python.held[index].clone();
        let number = number_in(&taken.bytes);
        let owns = self.script.owns(&self.rig, python, &taken).await;
        let mut story = format!("python {at}, owner: {owns}, of {number}: ");
        if let Some(plain) = taken.queue.strip_suffix(".DQ") {
            if owns && due(&taken) > self.rig.clock.now() {
                return;
            }
            // dramatiq does not ask who owns it, and runs a message twice here.
            if owns {
                self.script.enqueue(&self.rig, &python.id, plain, number, None).await;
                self.script.end(&self.rig, "ack", python, &taken).await;
                story.push_str("promote");
            }
        } else {
            let command = ["requeue", "nack", "ack", "ack"][self.random.index(4)];
            self.script.end(&self.rig, command, python, &taken).await;
            story.push_str(command);
            if owns && command != "requeue" {
                self.end(number);
            }
        }
        self.pythons[at].held.remove(index);
        self.tell(story);
    }

    fn python_dies(&mut self) {
        let at = self.random.index(self.pythons.len());
        self.pythons[at] = Python::new();
        self.tell(format!("python {at} dies"));
    }
}
