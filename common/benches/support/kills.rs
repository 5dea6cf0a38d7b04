//! Workers that are killed all the time: how soon what they held runs again, what their messages are blamed for, and whether the
//! slots of the others stay busy.
//!
//! Four worker processes of four slots run tasks of 0 to 4 s, of which 30 % fail and are retried; one of them is killed every 1.5 s
//! and replaced. In the second round a message that aborts its worker is sent every 10 s as well. Tasks come in bursts, so that now
//! there is a backlog and now a slot is free.
//!
//! A wait goes from the death of a worker to the next start of a message that it ran or had fetched; only the time counts during
//! which a slot of some worker was free, and whatever is killed once more before that start is left out.

mod child;

use std::collections::{HashMap, HashSet};
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use common::broker::Broker;
use common::clock::{Clock, Stopwatch};
use common::message::Message;
use common::queue_name::QueueName;
use common::store::{Counts, MAX_CRASHES, State};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::block_in_place;

use self::child::{Child, Reported, SLOTS, poison, task};
pub(crate) use self::child::{WORK, work};
use super::Failed;
use super::table::{self, Waits};

/// How many workers are killed unless it is said otherwise.
pub(crate) const KILLS: usize = 200;

const WORKERS: usize = 4;
const LONGEST_MS: u32 = 4_000;
const KILL_EVERY: Duration = Duration::from_millis(1_500);
const POISON_EVERY: Duration = Duration::from_secs(10);

/// A burst of tasks, and how often one comes: a little less than they can run beside the kills.
const BURST: usize = 36;
const BURST_EVERY: Duration = Duration::from_secs(10);

/// How many bodies of a queue a search goes through.
const DEPTH: usize = 1_000;

/// How soon a message runs again.
const PROMISED: Duration = Duration::from_secs(5);

/// Who has not beaten for so long is dead, or nearly.
const SILENT: Duration = Duration::from_secs(2);

/// How often the queue is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Longer than anything takes once nobody is killed any more.
const PATIENCE: Duration = Duration::from_secs(180);

/// The signal of a process that aborts.
const ABORTED: i32 = 6;

/// Where a message is that has waited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    /// Nobody has found its worker dead.
    WithTheDead,
    /// In the queue, or delayed.
    InTheQueue,
    /// Another worker has fetched it.
    Prefetched,
}

/// One round, and what was seen of it.
struct Round {
    url: String,
    broker: Broker,
    told: UnboundedSender<Reported>,
    children: HashMap<usize, Child>,
    next: usize,
    /// For so long some slot was free.
    free: Duration,
    /// What a dead worker held, and how long some slot had been free when it died.
    waiting: HashMap<String, Duration>,
    waits: Vec<Duration>,
    /// Where those were that had waited for [`PROMISED`].
    late: HashMap<String, Late>,
    seen: Vec<Late>,
    /// How many workers died while they ran a message.
    deaths: HashMap<String, u32>,
    /// How many of those a poison had ended, and not we.
    beside_poison: HashMap<String, u32>,
    poison: HashSet<String>,
    /// Slot seconds while there was a backlog: busy, and all.
    busy: (f64, f64),
    has_backlog: bool,
    last: Stopwatch,
}

impl Round {
    fn replace(&mut self) -> Result<(), Failed> {
        let number = self.next;
        self.next += 1;
        self.children.insert(number, Child::start(&self.url, number, self.told.clone())?);
        Ok(())
    }

    /// Accounts for the time since the last event.
    fn pass(&mut self) {
        let took = self.last.elapsed();
        self.last = Stopwatch::start();
        let ready = self.children.values().filter(|child| child.is_ready);
        let (all, running) =
            ready.fold((0, 0), |(all, running), child| (all + SLOTS, running + child.running.len().min(SLOTS)));
        if running < all {
            self.free += took;
        }
        if self.has_backlog {
            self.busy.0 += took.as_secs_f64() * f64::from(u32::try_from(running).unwrap_or(u32::MAX));
            self.busy.1 += took.as_secs_f64() * f64::from(u32::try_from(all).unwrap_or(u32::MAX));
        }
    }

    async fn hear(&mut self, (number, said): Reported) -> Result<(), Failed> {
        self.pass();
        let Some((what, id)) = said else { return self.died(number).await };
        let Some(child) = self.children.get_mut(&number) else { return Ok(()) };
        match &*what {
            "ready" => child.is_ready = true,
            "ends" => drop(child.running.remove(&id)),
            _ => {
                child.running.insert(id.clone());
                self.note_late(&id);
                if let Some(died) = self.waiting.remove(&id) {
                    self.waits.push(self.free.saturating_sub(died));
                }
            }
        }
        Ok(())
    }

    /// It has started: where it was when it was late counts once.
    fn note_late(&mut self, id: &str) {
        self.seen.extend(self.late.remove(id));
    }

    /// A child has ended: what it held waits from now on.
    async fn died(&mut self, number: usize) -> Result<(), Failed> {
        let Some(mut child) = self.children.remove(&number) else { return Ok(()) };
        self.replace()?;
        let mut held = child.running.clone();
        let is_aborted = block_in_place(|| child.process.wait())?.signal() == Some(ABORTED);
        for id in &child.running {
            *self.deaths.entry(id.clone()).or_default() += 1;
            *self.beside_poison.entry(id.clone()).or_default() += u32::from(is_aborted);
        }
        // Its claims stay for three seconds and more.
        for worker in self.broker.workers(None, 100).await? {
            let ids = || worker.claims.iter().map(|claim| claim.id.split(['#', '@']).next().unwrap_or_default());
            if ids().any(|id| child.running.contains(id)) {
                held.extend(ids().map(str::to_owned));
            }
        }
        // Whatever waited already is killed once more.
        let died = self.free;
        self.waiting.extend(held.into_iter().map(|id| (id, died)));
        Ok(())
    }

    /// Where those are that have waited for too long, seen once each.
    async fn look_for_late(&mut self) -> Result<(), Failed> {
        let is_late = |(_, died): &(&String, &Duration)| self.free.saturating_sub(**died) > PROMISED;
        let ids: Vec<String> = self.waiting.iter().filter(is_late).map(|(id, _)| id.clone()).collect();
        for id in ids.into_iter().filter(|id| !self.late.contains_key(id)).collect::<Vec<_>>() {
            let workers = self.broker.workers(None, 100).await?;
            let found = self.broker.find(&id, DEPTH).await?;
            let is_dead = |holder: &str| workers.iter().all(|worker| worker.id != holder || worker.silent_for > SILENT);
            let late = match found.first().map(|info| &info.state) {
                Some(State::Claimed { worker, .. }) if is_dead(worker) => Late::WithTheDead,
                Some(State::Claimed { .. }) => Late::Prefetched,
                _ => Late::InTheQueue,
            };
            self.late.insert(id, late);
        }
        Ok(())
    }

    fn kill_one(&mut self) -> Result<(), Failed> {
        let ready: Vec<usize> =
            self.children.iter().filter(|(_, child)| child.is_ready).map(|(number, _)| *number).collect();
        if let Some(number) = fastrand::choice(&ready)
            && let Some(child) = self.children.get_mut(number)
        {
            child.process.kill()?;
        }
        Ok(())
    }
}

/// Measures both rounds in queues that nobody else uses.
pub(crate) async fn measure(first: &str, second: &str, kills: usize) -> Result<(), Failed> {
    round(first, kills, false).await?;
    round(second, kills, true).await
}

async fn round(url: &str, kills: usize, with_poison: bool) -> Result<(), Failed> {
    let (told, heard) = unbounded_channel();
    let mut round = Round {
        url: url.to_owned(),
        broker: Broker::connect(url).await?,
        told,
        children: HashMap::new(),
        next: 0,
        free: Duration::ZERO,
        waiting: HashMap::new(),
        waits: Vec::new(),
        late: HashMap::new(),
        seen: Vec::new(),
        deaths: HashMap::new(),
        beside_poison: HashMap::new(),
        poison: HashSet::new(),
        busy: (0.0, 0.0),
        has_backlog: false,
        last: Stopwatch::start(),
    };
    for _ in 0..WORKERS {
        round.replace()?;
    }
    play(&mut round, heard, kills, with_poison).await?;
    tell(round, kills, with_poison).await
}

async fn play(
    round: &mut Round,
    mut heard: UnboundedReceiver<Reported>,
    kills: usize,
    with_poison: bool,
) -> Result<(), Failed> {
    let clock = Clock::system();
    let (watch, mut killed, mut poisoned, mut bursts) = (Stopwatch::start(), 0, 0, 0);
    let mut over: Option<Stopwatch> = None;
    loop {
        tokio::select! {
            said = heard.recv() => {
                round.hear(said.ok_or("nobody is left")?).await?;
                continue;
            }
            () = clock.sleep(LOOK_EVERY) => {}
        }
        round.pass();
        let counts = round.broker.counts(&QueueName::default()).await?;
        round.has_backlog = counts.ready > 0;
        round.look_for_late().await?;
        if killed == kills {
            let over = over.get_or_insert_with(Stopwatch::start);
            if (Counts { dead: 0, ..counts }) == Counts::default() {
                return Ok(());
            }
            if over.elapsed() > PATIENCE {
                return Err(format!("not all has run: {counts:?}").into());
            }
            continue;
        }
        if watch.elapsed() >= BURST_EVERY * bursts {
            bursts += 1;
            let messages: Result<Vec<Message>, _> = (0..BURST)
                .map(|_| task::message(fastrand::u32(..LONGEST_MS)).message(round.broker.clock().now()))
                .collect();
            round.broker.enqueue(messages?).await?;
        }
        if with_poison && watch.elapsed() >= POISON_EVERY * (poisoned + 1) {
            poisoned += 1;
            let sent = poison::send(&round.broker).await?;
            round.poison.insert(sent.message_id.to_string());
        }
        if watch.elapsed() >= KILL_EVERY * u32::try_from(killed + 1)? {
            killed += 1;
            block_in_place(|| round.kill_one())?;
        }
    }
}

async fn tell(round: Round, kills: usize, with_poison: bool) -> Result<(), Failed> {
    let name = if with_poison { format!("{kills} kills, and poison") } else { format!("{kills} kills") };
    let waits = Waits::new(round.waits.clone())?;
    let late = round.waits.iter().filter(|wait| **wait > PROMISED).count();
    let at = |place: Late| round.seen.iter().filter(|seen| **seen == place).count();
    table::row(
        &format!("{name}: from a death to the next start, ms: p50, p95, p99, most"),
        &format!("{:.0}, {:.0}, {:.0}, {:.0}", waits.at(50), waits.at(95), waits.at(99), waits.at(100)),
    );
    table::row(
        &format!(
            "{name}: waits; over 5 s; where those were after 5 s: with the dead, in the queue, prefetched by another worker"
        ),
        &format!(
            "{}; {late}; {}, {}, {}",
            round.waits.len(),
            at(Late::WithTheDead),
            at(Late::InTheQueue),
            at(Late::Prefetched)
        ),
    );
    table::row(
        &format!("{name}: busy slots while there is a backlog"),
        &format!("{:.1} %", 100.0 * round.busy.0 / round.busy.1),
    );
    let letters = round.broker.dead_letters(&QueueName::default(), 0, 10_000).await?;
    let (mut exactly, mut wrongly, mut of_kills, mut of_poison) = (0, 0, 0, 0);
    let count = |of: &HashMap<String, u32>, id: &str| of.get(id).copied().unwrap_or_default();
    for letter in &letters {
        let message = Message::decode(&letter.bytes, letter.died)?;
        let id = message.message_id.as_str();
        if round.poison.contains(id) {
            exactly += usize::from(letter.reason.as_deref() == Some(&*format!("its worker died {MAX_CRASHES} times")));
        } else if count(&round.deaths, id) < MAX_CRASHES {
            wrongly += 1;
        } else if count(&round.deaths, id) - count(&round.beside_poison, id) >= MAX_CRASHES {
            of_kills += 1;
        } else {
            of_poison += 1;
        }
    }
    if with_poison {
        let workers: u32 = round.poison.iter().filter_map(|id| round.deaths.get(id)).sum();
        table::row(
            &format!(
                "{name}: poison sent, ended after exactly {MAX_CRASHES} deaths that count, workers that it killed"
            ),
            &format!("{}, {exactly}, {workers}", round.poison.len()),
        );
    }
    table::row(
        &format!(
            "{name}: tasks that ended of deaths: fewer than {MAX_CRASHES} while they ran; only because poison ran beside them, too; of kills alone"
        ),
        &format!("{wrongly}, {of_poison}, {of_kills}"),
    );
    Ok(())
}
