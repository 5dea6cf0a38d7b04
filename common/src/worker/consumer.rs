//! The loop on the I/O thread: one reaction after the other, and never a wait inside of one.
//!
//! A call to the store is started with what is to be done about its answer, which the loop does then. At most one of each kind is
//! under way: while a batch of completions is being stored the next one gathers, so batches grow by themselves with the load.

mod ahead;
mod beat;
mod claims;
mod condemned;
mod fetch;
mod finish;
mod idle;
mod limits;
mod long_runs;
mod outage;
mod reports;
mod shutdown;
mod start;
mod unknown_actor;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinSet};

use self::claims::Claims;
use self::idle::Question;
pub(super) use self::idle::Until;
use self::long_runs::ToldRuns;
use self::outage::{Call, Outage};
use self::reports::report_queue;
use self::shutdown::listen;
use super::ended::Ended;
use super::event::Event;
use super::local_queue::LocalQueue;
use super::monitor::Monitor;
use super::registry::Registry;
use super::stop::{Shutdown, Stage, Stopper};
use super::threads::Threads;
use crate::broker::Broker;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::StoreError;
use crate::observe::{Report, ReportQueue, Reports};
use crate::store::{Claim, Completion, Registration};

/// What a worker was told to bear.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long it waits for what runs once it is to stop.
    pub(super) shutdown_timeout: Duration,
    /// How long messages wait whose actors it does not know.
    pub(super) unknown_actor_timeout: Duration,
    /// How many deaths of its workers a message may cause, where its actor does not say.
    pub(super) max_crashes: u32,
}

/// What the loop does about an answer, or once a time has come.
pub(super) type Reaction = Box<dyn FnOnce(&mut Consumer) + Send>;

/// The loop's state. Each flag stands for one call that is under way.
#[expect(clippy::struct_excessive_bools, reason = "facts that come and go by themselves")]
pub(super) struct Consumer {
    broker: Broker,
    registry: Arc<Registry>,
    local_queue: Arc<LocalQueue>,
    threads: Arc<Threads>,
    limits: Limits,
    /// The actors of messages that this worker has requeued, each once.
    unknown_actors: HashSet<Arc<str>>,
    registration: Arc<Registration>,
    stage: Stage,
    fetching: bool,
    finishing: bool,
    beating: bool,
    /// When the last beat was started, in the clock's uptime.
    beat_started: Duration,
    /// A beat is wanted as soon as the one under way is over.
    beat_again: bool,
    /// What this worker has claimed.
    claims: Claims,
    /// The last delivery that the beat under way can know of.
    beaten_at: u64,
    /// The last fetch brought less than was wanted: the queues are empty as far as we know.
    drained: bool,
    waiting: Option<AbortHandle>,
    /// It waits for what goes before this priority.
    looking_ahead: Option<(i32, AbortHandle)>,
    /// But not at once again.
    looks_ahead_later: bool,
    /// When it is looked next what runs for too long, in the system's uptime.
    next_limit: Option<Duration>,
    /// What this worker has told of runs that take long.
    told_runs: ToldRuns,
    /// When the next held message is due, by the store's clock.
    next_due: Option<Timestamp>,
    /// When the next beat is planned, by our clock.
    next_beat: Timestamp,
    /// Numbers the beat timers, so that an old one is known by its number.
    timer: u64,
    /// The completions that are being stored, and the last delivery that the call can know of.
    sent: Arc<Vec<Completion>>,
    sent_at: u64,
    /// What observers hear of each of them, once it is stored.
    sent_reports: Vec<Option<Box<Report>>>,
    /// Ends that the store could not take yet.
    unfinished: Vec<Ended>,
    /// Whether some of them may have been stored already.
    repeated: bool,
    /// Ends that the store refuses by themselves, until they are tried again.
    refused: Vec<Ended>,
    /// How many batches of what is not run are being ended.
    condemning: usize,
    /// Dead letters that this worker is about to end.
    ending: HashSet<Claim>,
    is_asking_for_unended: bool,
    /// The last ones that it was told of are for others to end.
    leaves_unended: bool,
    /// What observers have not been told yet.
    reports: Reports,
    report_queue: Option<ReportQueue>,
    outage: Outage,
    /// The starts of marked messages are being recorded.
    is_recording: bool,
    /// Something marked may start once another one has run for a while.
    is_on_probation: bool,
    /// It is looked in a moment whether slots that do not work are needed.
    is_watching: bool,
    /// Nothing is fetched for a moment, so that others may have what was requeued.
    abstains: bool,
    last_offer: Option<Stopwatch>,
    /// What cannot start here yet is offered to others in a moment.
    is_offering: bool,
    until: Until,
    question: Question,
    /// Since when the worker is to stop, or to stop at once.
    stopping: Option<Stopwatch>,
    /// The time of the last calls is limited.
    is_hurrying: bool,
    /// And did not answer.
    gave_up: bool,
    /// Async actors have nowhere to run any more.
    is_without_runtime: bool,
    end: Shutdown,
    monitor: Monitor,
    /// What calls and timers have it do.
    reactions: UnboundedSender<Reaction>,
    /// What tells it something some day, and ends with it: timers, and who waits for its stop. None of them holds the
    /// threads, which hold the broker.
    senders: JoinSet<()>,
}

impl Consumer {
    /// Registers the worker. Answers with what [`run`](Self::run) is to do.
    pub(super) async fn register(
        broker: Broker,
        registry: Arc<Registry>,
        threads: Arc<Threads>,
        limits: Limits,
        until: Until,
        monitor: Monitor,
    ) -> Result<(Self, UnboundedReceiver<Reaction>), StoreError> {
        let (reactions, receiver) = unbounded_channel();
        let registration = broker.store().register(registry.queues()).await?;
        monitor.registered(&registration.worker, threads.queue());
        let report_queue = report_queue(&broker.settings().observers);
        let consumer = Self {
            broker,
            registry,
            local_queue: threads.queue().clone(),
            threads,
            limits,
            unknown_actors: HashSet::new(),
            registration: Arc::new(registration),
            stage: Stage::Running,
            fetching: false,
            finishing: false,
            beating: false,
            beat_started: Duration::ZERO,
            beat_again: false,
            claims: Claims::default(),
            beaten_at: 0,
            drained: false,
            waiting: None,
            looking_ahead: None,
            looks_ahead_later: false,
            next_limit: None,
            told_runs: ToldRuns::default(),
            next_due: None,
            next_beat: Timestamp::EPOCH,
            timer: 0,
            sent: Arc::default(),
            sent_at: 0,
            sent_reports: Vec::new(),
            unfinished: Vec::new(),
            repeated: false,
            refused: Vec::new(),
            condemning: 0,
            ending: HashSet::new(),
            is_asking_for_unended: false,
            leaves_unended: false,
            reports: Vec::new(),
            report_queue,
            outage: Outage::default(),
            is_recording: false,
            is_on_probation: false,
            is_watching: false,
            abstains: false,
            last_offer: None,
            is_offering: false,
            until,
            question: Question::Open,
            stopping: None,
            is_hurrying: false,
            gave_up: false,
            is_without_runtime: false,
            end: Shutdown::Clean,
            monitor,
            reactions,
            senders: JoinSet::new(),
        };
        Ok((consumer, receiver))
    }

    /// Does what calls, timers and slots give it to do until the worker has ended.
    pub(super) async fn run(
        mut self,
        mut reactions: UnboundedReceiver<Reaction>,
        mut events: UnboundedReceiver<Event>,
        stopper: Stopper,
    ) -> Shutdown {
        self.senders.spawn(listen(stopper.clone(), self.reactions.clone()));
        self.start_beat();
        // Told so while it registered, it need not fetch anything.
        self.stop(stopper.stage());
        while !self.is_over() {
            self.step();
            tokio::select! {
                Some(then) = reactions.recv() => then(&mut self),
                Some(event) = events.recv() => self.react(event),
            }
        }
        self.monitor.fetches(false);
        self.stop_waiting();
        self.stop_looking_ahead();
        self.deregister(&stopper).await;
        self.close_reports().await;
        self.end
    }

    /// Starts every call that has something to do and is not under way.
    fn step(&mut self) {
        self.limit_last_calls();
        self.monitor.fetches(self.stage == Stage::Running && !self.outage.is_on());
        if !self.finishing && !self.outage.is_pausing(Call::Finish) {
            self.unfinished.extend(self.local_queue.take_ended(!self.is_last_fetch_under_way()));
            self.start_finish();
        }
        self.start_marked();
        self.watch_limits();
        self.send_reports();
        let may_fetch = self.stage == Stage::Running && !self.outage.is_pausing(Call::Fetch) && !self.abstains;
        if may_fetch && self.holds_back_too_many() {
            self.stop_waiting();
            self.stop_looking_ahead();
        } else if may_fetch {
            self.fetch_or_wait();
            self.look_ahead();
            self.ask_for_more();
        }
    }

    fn react(&mut self, event: Event) {
        match event {
            // A reason to go on.
            Event::Ended | Event::Waits => {}
            Event::Dropped => {
                self.end = Shutdown::Forced;
                self.lose_runtime();
            }
            Event::RuntimeGone => self.lose_runtime(),
        }
    }

    /// Starts a call; `then` has its answer, in the loop.
    fn call<A: Send + 'static>(
        &self,
        call: impl Future<Output = A> + Send + 'static,
        then: impl FnOnce(&mut Self, A) + Send + 'static,
    ) -> AbortHandle {
        let reactions = self.reactions.clone();
        let calling = async move {
            let answer = call.await;
            // The loop is over when the worker was forced to end; nobody needs to know then.
            let _ = reactions.send(Box::new(move |consumer| then(consumer, answer)));
        };
        tokio::spawn(calling).abort_handle()
    }

    /// Does something in the loop once `time` has come, unless the worker has ended by then.
    fn once(&mut self, time: impl Future<Output = ()> + Send + 'static, then: impl FnOnce(&mut Self) + Send + 'static) {
        while self.senders.try_join_next().is_some() {}
        let reactions = self.reactions.clone();
        self.senders.spawn(async move {
            time.await;
            let _ = reactions.send(Box::new(then));
        });
    }

    /// A call failed: pauses, and says so once.
    fn failed(&mut self, call: Call, error: &StoreError) {
        if let Some(pause) = self.outage.failed(call, error, &self.broker.address()) {
            let clock = self.broker.clock().clone();
            self.once(async move { clock.sleep(pause).await }, move |consumer| consumer.pause_over(call));
        }
    }

    fn pause_over(&mut self, call: Call) {
        self.outage.pause_over(call);
        if call == Call::Start {
            self.local_queue.resume();
        }
        if call == Call::Completion {
            self.unfinished.append(&mut self.refused);
        }
    }
}
