//! The loop at home: one event after the other, and never a wait inside of one.
//!
//! Calls to the store are started and come back as events. At most one of each kind is under way: while a batch of
//! endings is being stored the next one gathers, so batches grow by themselves with the load.

mod outage;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::AbortHandle;
use tracing::{debug, info, warn};

use self::outage::Outage;
use super::Stopped;
use super::pool::{Job, Pool, head};
use super::registry::Registry;
use super::stop::{Stage, Stopper};
use crate::actor::Cancellation;
use crate::broker::Broker;
use crate::clock::Timestamp;
use crate::error::{Refusal, StoreError};
use crate::message::option;
use crate::queue_name::QueueName;
use crate::store::{Answer, BEAT_INTERVAL, Beat, Body, Claim, Delivery, Ending, Fetched, Lease, Place, Wake, Want};

/// A run that takes longer is a long one; seen at the next beat.
const LONG_RUN: Duration = Duration::from_millis(10);

/// What the loop reacts to.
#[derive(Debug)]
pub(super) enum Event {
    /// Slots have left endings.
    Ended,
    /// What a fetch of so many brought.
    Fetched(usize, Result<Fetched, StoreError>),
    Finished(Vec<Ending>, Result<Vec<Answer>, StoreError>),
    /// Time for a beat, as planned by the timer of this number.
    BeatDue(u64),
    Beaten(Result<Beat, StoreError>),
    Woken(Wake),
    /// A pause after a failed call is over.
    Again,
    Stop(Stage),
    TimedOut,
}

/// The loop's state. Each flag stands for one call that is under way.
pub(super) struct Keeper {
    broker: Broker,
    registry: Registry,
    pool: Arc<Pool>,
    shutdown_timeout: Duration,
    lease: Arc<Lease>,
    stage: Stage,
    fetching: bool,
    finishing: bool,
    beating: bool,
    /// A beat is wanted as soon as the one under way is over.
    beat_again: bool,
    /// The last fetch brought less than was wanted: the queues are empty as far as we know.
    drained: bool,
    waiting: Option<AbortHandle>,
    next_due: Option<Timestamp>,
    /// Numbers the beat timers, so that an old one is known by its number.
    timer: u64,
    /// Endings that the store could not take yet.
    unfinished: Vec<Ending>,
    /// Whether some of them may have been stored already.
    repeated: bool,
    outage: Outage,
    forced: bool,
}

impl Keeper {
    /// Registers the worker.
    pub(super) async fn join(
        broker: Broker,
        registry: Registry,
        pool: Arc<Pool>,
        shutdown_timeout: Duration,
    ) -> Result<Self, StoreError> {
        let lease = broker.store().join(registry.queues()).await?;
        Ok(Self {
            broker,
            registry,
            pool,
            shutdown_timeout,
            lease: Arc::new(lease),
            stage: Stage::Running,
            fetching: false,
            finishing: false,
            beating: false,
            beat_again: false,
            drained: false,
            waiting: None,
            next_due: None,
            timer: 0,
            unfinished: Vec::new(),
            repeated: false,
            outage: Outage::default(),
            forced: false,
        })
    }

    /// Reacts to events until the worker has ended.
    pub(super) async fn run(mut self, mut events: UnboundedReceiver<Event>, stopper: Stopper) -> Stopped {
        let listener = tokio::spawn(listen(stopper, self.pool.clone()));
        self.start_beat();
        while !self.is_over() {
            self.step();
            let Some(event) = events.recv().await else { break };
            self.react(event);
        }
        listener.abort();
        self.stop_waiting();
        self.leave().await;
        if self.forced { Stopped::Forced } else { Stopped::Clean }
    }

    /// Starts every call that has something to do and is not under way.
    fn step(&mut self) {
        if !self.finishing && !self.outage.is_pausing() {
            self.unfinished.extend(self.pool.take_endings());
            self.start_finish();
        }
        if self.stage == Stage::Running && !self.outage.is_pausing() {
            let wanted = self.pool.wanted();
            if self.drained {
                // A beat under way may change what there is to wait for.
                if !self.beating {
                    self.start_waiting();
                }
            } else if wanted > 0 && !self.fetching {
                self.start_fetch(wanted);
            }
        }
    }

    fn react(&mut self, event: Event) {
        match event {
            Event::Ended => {}
            Event::Fetched(wanted, fetched) => self.fetched(wanted, fetched),
            Event::Finished(endings, answers) => self.finished(endings, answers),
            Event::BeatDue(timer) if timer == self.timer => self.start_beat(),
            Event::BeatDue(_) => {}
            Event::Beaten(beat) => self.beaten(beat),
            Event::Woken(wake) => {
                self.waiting = None;
                match wake {
                    Wake::Ready => self.drained = false,
                    Wake::Due => self.start_beat(),
                }
            }
            Event::Again => self.outage.pause_over(),
            Event::Stop(stage) => self.stop(stage),
            Event::TimedOut => {
                let running = self.pool.running();
                warn!(target: "common::worker", "the shutdown timeout is over: giving back {running} that still run");
                self.stop(Stage::Forced);
            }
        }
    }

    fn start_fetch(&mut self, wanted: usize) {
        self.fetching = true;
        self.stop_waiting();
        let (store, lease, pool) = (self.broker.store().clone(), self.lease.clone(), self.pool.clone());
        tokio::spawn(async move {
            let wants: Vec<_> = lease
                .queues
                .iter()
                .map(|queue| Want {
                    queue: queue.clone(),
                    count: wanted,
                })
                .collect();
            pool.tell(Event::Fetched(wanted, store.fetch(&lease, &wants).await));
        });
    }

    fn fetched(&mut self, wanted: usize, fetched: Result<Fetched, StoreError>) {
        self.fetching = false;
        match fetched {
            Ok(Fetched { deliveries, next_due }) => {
                self.outage.answered();
                self.drained = deliveries.len() < wanted;
                self.plan_due(next_due);
                self.accept(deliveries);
            }
            Err(StoreError::Stranger) => {
                debug!(target: "common::worker", "taken for dead; beating, and going on");
                self.start_beat();
                self.drained = true;
            }
            Err(error) => self.failed("fetch", &error),
        }
    }

    /// Hands messages to the slots; what cannot be run ends here.
    fn accept(&mut self, deliveries: Vec<Delivery>) {
        if self.stage != Stage::Running {
            self.pool
                .end(deliveries.into_iter().map(|delivery| head(delivery.claim)));
            return;
        }
        let now = self.broker.clock().now();
        let mut jobs = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            match self.job(delivery, now) {
                Ok(job) => jobs.push(job),
                Err(ending) => self.pool.end([ending]),
            }
        }
        self.pool.deliver(jobs);
    }

    fn job(&self, delivery: Delivery, now: Timestamp) -> Result<Job, Ending> {
        let Delivery { claim, body } = delivery;
        let end = |claim, place| {
            Err(Ending {
                claim,
                place,
                also: Vec::new(),
            })
        };
        let message = match body {
            Ok(message) => message,
            Err(undecodable) => {
                let reason = undecodable.error.to_string();
                warn!(target: "common::worker", "{} in {} is no message, kept in {}: {reason}", claim.id, claim.queue, claim.queue.dead_letter());
                return end(claim, Place::Dead(Body::Raw(undecodable.bytes), reason));
            }
        };
        if let Some(due) = message.eta(now).filter(|due| *due > now) {
            // A sender may put a delayed message into the plain queue; dramatiq holds it as well.
            return end(claim, Place::Until(due, message));
        }
        if message
            .options
            .get(option::ETA)
            .is_some_and(|eta| !eta.is_null() && eta.millis().is_none())
        {
            warn!(target: "common::worker", "{}: its eta is no time, so it runs now", message.message_id);
        }
        let Some(actor) = self.registry.get(&message.actor_name) else {
            let actor = message.actor_name.to_string();
            let reason = Refusal {
                actor,
                queue: claim.queue.clone(),
            }
            .to_string();
            warn!(target: "common::worker", "{}: {reason}; kept in {}", message.message_id, claim.queue.dead_letter());
            return end(claim, Place::Dead(Body::Message(message), reason));
        };
        let priority = message.options.read(option::PRIORITY).unwrap_or(actor.priority);
        Ok(Job {
            claim,
            message: Arc::new(message),
            actor,
            cancellation: Cancellation::new(),
            priority,
        })
    }

    fn start_waiting(&mut self) {
        if self.waiting.is_some() {
            return;
        }
        let (store, lease, pool, due) = (
            self.broker.store().clone(),
            self.lease.clone(),
            self.pool.clone(),
            self.next_due,
        );
        let wait = tokio::spawn(async move {
            pool.tell(Event::Woken(store.wait(&lease.queues, due).await));
        });
        self.waiting = Some(wait.abort_handle());
    }

    /// Only a wait may be dropped.
    fn stop_waiting(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.abort();
        }
    }

    fn start_finish(&mut self) {
        if self.unfinished.is_empty() {
            return;
        }
        self.finishing = true;
        let endings = std::mem::take(&mut self.unfinished);
        let (store, lease, pool) = (self.broker.store().clone(), self.lease.clone(), self.pool.clone());
        tokio::spawn(async move {
            let answers = store.finish(&lease, &endings).await;
            pool.tell(Event::Finished(endings, answers));
        });
    }

    fn finished(&mut self, mut endings: Vec<Ending>, answers: Result<Vec<Answer>, StoreError>) {
        self.finishing = false;
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                // One that went back to the head may be held by others already; if it did not, a beat finds it.
                endings.retain(|ending| ending.place != Place::Head);
                self.unfinished = endings;
                self.repeated = true;
                self.failed("finish", &error);
                return;
            }
        };
        self.outage.answered();
        let (mut unknown, mut refused) = (0, None);
        for (ending, answer) in endings.into_iter().zip(answers) {
            match answer {
                Answer::Finished => {}
                Answer::Unknown => unknown += 1,
                Answer::Failed(error) => {
                    self.unfinished.push(ending);
                    refused = Some(error);
                }
            }
        }
        if unknown > 0 && !self.repeated {
            warn!(target: "common::worker", "{unknown} ended without effect: others took this worker for dead and hold them now");
        }
        self.repeated = false;
        if let Some(error) = refused {
            self.failed("finish", &error);
        }
    }

    fn start_beat(&mut self) {
        if self.beating {
            self.beat_again = true;
            return;
        }
        self.beating = true;
        self.beat_again = false;
        let (store, lease, pool) = (self.broker.store().clone(), self.lease.clone(), self.pool.clone());
        let held = self.held();
        tokio::spawn(async move {
            pool.tell(Event::Beaten(store.beat(&lease, &held).await));
        });
    }

    fn held(&self) -> Vec<Claim> {
        let mut held = self.pool.held();
        held.extend(self.unfinished.iter().map(|ending| ending.claim.clone()));
        held
    }

    fn beaten(&mut self, beat: Result<Beat, StoreError>) {
        self.beating = false;
        self.pool.give_back_surplus(LONG_RUN);
        match beat {
            Ok(beat) => {
                self.outage.answered();
                if !beat.lost.is_empty() {
                    let running = self.pool.lose(&beat.lost);
                    if running > 0 {
                        warn!(target: "common::worker", "{running} running were given to other workers, which took this one for dead; they are told to stop");
                    }
                }
                if beat.moved > 0 {
                    self.drained = false;
                }
                if self.next_due != beat.next_due {
                    self.next_due = beat.next_due;
                    // It waits for what comes due before something else.
                    self.stop_waiting();
                }
            }
            Err(error) => self.failed("beat", &error),
        }
        if self.beat_again {
            self.start_beat();
        } else {
            self.plan_beat();
        }
    }

    /// Learns of a due time; what comes due before the planned beat gets one of its own.
    fn plan_due(&mut self, due: Option<Timestamp>) {
        if due.is_some_and(|due| self.next_due.is_none_or(|known| due < known)) {
            self.next_due = due;
            if !self.beating {
                self.plan_beat();
            }
        }
    }

    /// Beats after an interval, or when something comes due before that.
    fn plan_beat(&mut self) {
        let clock = self.broker.clock().clone();
        let planned = clock.now() + BEAT_INTERVAL;
        let next = match self.next_due {
            Some(due) if !self.outage.is_pausing() => due.min(planned),
            _ => planned,
        };
        self.timer += 1;
        let (timer, pool) = (self.timer, self.pool.clone());
        tokio::spawn(async move {
            clock.sleep_until(next).await;
            pool.tell(Event::BeatDue(timer));
        });
    }

    /// A call failed: pauses, and says so once.
    fn failed(&mut self, call: &str, error: &StoreError) {
        if let Some(pause) = self.outage.failed(call, error, &self.broker.address()) {
            let (clock, pool) = (self.broker.clock().clone(), self.pool.clone());
            tokio::spawn(async move {
                clock.sleep(pause).await;
                pool.tell(Event::Again);
            });
        }
    }

    fn stop(&mut self, stage: Stage) {
        if stage <= self.stage {
            return;
        }
        self.stage = stage;
        self.stop_waiting();
        self.pool.close();
        if stage == Stage::Forced {
            let abandoned = self.pool.abandon();
            self.forced = abandoned > 0;
            return;
        }
        let running = self.pool.running();
        if running > 0 {
            info!(target: "common::worker", "stopping: waiting for {running} that still run");
        }
        let (clock, pool, timeout) = (self.broker.clock().clone(), self.pool.clone(), self.shutdown_timeout);
        tokio::spawn(async move {
            clock.sleep(timeout).await;
            pool.tell(Event::TimedOut);
        });
    }

    /// Whether all is given back and stored, or cannot be.
    fn is_over(&mut self) -> bool {
        if self.stage == Stage::Running || self.fetching || self.finishing {
            return false;
        }
        if self.pool.is_quiet() && self.unfinished.is_empty() {
            return true;
        }
        // While the store is away nothing can be given back. What is held comes back to others as soon as it returns.
        let stuck = self.outage.is_pausing() && self.pool.running() == 0;
        self.forced |= stuck;
        stuck
    }

    async fn leave(&self) {
        if let Err(error) = self.broker.store().leave(&self.lease).await {
            let queues: Vec<_> = self.lease.queues.iter().map(QueueName::as_str).collect();
            warn!(target: "common::worker", "could not sign off from {}: {error}", queues.join(", "));
        }
    }
}

/// Tells the loop how far the worker's end has come.
async fn listen(stopper: Stopper, pool: Arc<Pool>) {
    let mut stage = Stage::Running;
    while stage < Stage::Forced {
        stage = stopper.beyond(stage).await;
        pool.tell(Event::Stop(stage));
    }
}
