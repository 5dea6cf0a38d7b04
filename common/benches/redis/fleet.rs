//! What many idle workers, and workers of many queues, cost the server: how much of a core it spends, how long others wait for it
//! (PING), and how long a message waits for one of those workers.
//!
//! The server must serve nobody else meanwhile, as its figures are read as a whole. A thousand workers need some 10,000 open files.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use common::actor;
use common::actor::actors;
use common::clock::{Clock, Stopwatch};
use common::message::Message;
use common::queue_name::QueueName;
use common::store::{BEAT_INTERVAL, Claim, FetchRequest, Registration, Store as _};
use common::stores::redis::RedisStore;
use common::worker::Worker;
use tokio::task::{JoinSet, block_in_place};

use crate::ground::{Setup, ask, broker, connection, gone, namespace, sleep, wipe};
use crate::support::Failed;
use crate::support::load::no_op;
use crate::support::table::{self, Waits};

/// How long each load goes on.
const PERIOD: Duration = Duration::from_secs(5);

/// Until what starts has settled.
const SETTLING: Duration = Duration::from_secs(3);

/// Messages a second to an idle fleet.
const RATES: [u32; 3] = [0, 4, 40];

/// How many queues a worker has, in turn.
const QUEUES: [usize; 2] = [5_000, 10_000];

/// Workers of so many queues.
const BESIDE: usize = 4;

/// Messages a second to one of many queues.
const TO_MANY: u32 = 10;

/// When each message was sent, and how long it took until its actor started.
#[derive(Debug, Default)]
pub(crate) struct Board {
    sent: Vec<OnceLock<Stopwatch>>,
    waits: Mutex<Vec<Duration>>,
}

impl Board {
    fn of(count: usize) -> Arc<Self> {
        Arc::new(Self { sent: (0..count).map(|_| OnceLock::new()).collect(), waits: Mutex::default() })
    }

    fn send(&self, number: usize) {
        if let Some(sent) = self.sent.get(number) {
            sent.get_or_init(Stopwatch::start);
        }
    }

    fn start(&self, number: usize) {
        let took = self.sent.get(number).and_then(OnceLock::get).copied().map(Stopwatch::elapsed);
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).extend(took);
    }

    fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.waits.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[actor(queue = "fleet_a")]
fn on_a(board: &Arc<Board>, number: usize) {
    board.start(number);
}

#[actor(queue = "fleet_b")]
fn on_b(board: &Arc<Board>, number: usize) {
    board.start(number);
}

#[actor(queue = "fleet_c")]
fn on_c(board: &Arc<Board>, number: usize) {
    board.start(number);
}

#[actor(queue = "fleet_d")]
fn on_d(board: &Arc<Board>, number: usize) {
    board.start(number);
}

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    idle_workers(setup).await?;
    for queues in QUEUES {
        many_queues(&setup.url, queues).await?;
    }
    Ok(())
}

async fn idle_workers(setup: &Setup) -> Result<(), Failed> {
    let (url, name) = (&setup.url, namespace());
    let total: u32 = RATES.iter().map(|rate| rate * u32::try_from(PERIOD.as_secs()).unwrap_or(u32::MAX)).sum();
    let board = Board::of(total as usize);
    let (mut runs, mut stoppers) = (JoinSet::new(), Vec::new());
    let ready = Arc::new(AtomicUsize::new(0));
    for _ in 0..setup.workers {
        // Each with connections of its own, as in a process of its own.
        let worker = Worker::new(broker(url, &name).await?).threads(1).actors(actors![on_a, on_b, on_c, on_d]);
        let told = ready.clone();
        let worker = worker.state(board.clone()).on_ready(move || {
            told.fetch_add(1, Ordering::Relaxed);
        });
        stoppers.push(worker.stopper());
        runs.spawn(worker.run());
    }
    while ready.load(Ordering::Relaxed) < setup.workers {
        sleep(Duration::from_millis(50)).await;
    }
    sleep(SETTLING).await;
    let sender = broker(url, &name).await?;
    let mut number = 0;
    for rate in RATES {
        let what = format!("{} idle workers, {rate} messages/s", setup.workers);
        let sending = async {
            if rate == 0 {
                sleep(PERIOD).await;
                return Ok(());
            }
            for at in 0..rate * u32::try_from(PERIOD.as_secs()).unwrap_or(u32::MAX) {
                board.send(number);
                match at % 4 {
                    0 => drop(on_a::send(&sender, number).await?),
                    1 => drop(on_b::send(&sender, number).await?),
                    2 => drop(on_c::send(&sender, number).await?),
                    _ => drop(on_d::send(&sender, number).await?),
                }
                number += 1;
                sleep(PERIOD / rate / 5).await;
            }
            Ok::<(), Failed>(())
        };
        observe(url, &what, sending).await?;
        sleep(Duration::from_secs(1)).await;
        pick_ups(&what, board.take(), rate * 5)?;
    }
    for stopper in stoppers {
        stopper.stop();
    }
    while let Some(run) = runs.join_next().await {
        run??;
    }
    block_in_place(|| wipe(url, &name))
}

/// A worker as far as its store knows: a program with so many actors would be a long one.
async fn worker(
    store: RedisStore,
    registration: Registration,
    board: Arc<Board>,
    is_over: Arc<AtomicBool>,
) -> Result<(), Failed> {
    let held = Mutex::new(Vec::<Claim>::new());
    let requests: Vec<_> = registration
        .queues
        .iter()
        .map(|queue| FetchRequest { queue: queue.clone(), count: 24, before: None })
        .collect();
    let beats = async {
        while !is_over.load(Ordering::Relaxed) {
            let now = held.lock().unwrap_or_else(PoisonError::into_inner).clone();
            store.beat(&registration, &now, &[]).await?;
            sleep(BEAT_INTERVAL).await;
        }
        Ok::<(), Failed>(())
    };
    let work = async {
        while !is_over.load(Ordering::Relaxed) {
            let fetched = store.fetch(&registration, &requests, 24).await?;
            for delivery in &fetched.deliveries {
                let message = delivery.body.as_ref().map_err(|_| "no message")?;
                board.start(message.args.first().ok_or("no number")?.read()?);
            }
            let completions = gone(fetched.deliveries);
            if !completions.is_empty() {
                store.finish(&registration, &completions).await?;
            }
            if !fetched.more {
                // Ends now and then, to see whether all is over.
                let _ =
                    tokio::time::timeout(Duration::from_secs(1), store.wait(&registration.queues, fetched.next_due))
                        .await;
            }
        }
        Ok::<(), Failed>(())
    };
    let (beats, work) = tokio::join!(beats, work);
    beats?;
    work?;
    store.deregister(&registration).await?;
    Ok(())
}

async fn many_queues(url: &str, count: usize) -> Result<(), Failed> {
    let name = namespace();
    let clock = Clock::system();
    let queues: Vec<_> = (0..count).map(|at| QueueName::canonical(&format!("fleet_{at}"))).collect();
    let total = TO_MANY * u32::try_from(PERIOD.as_secs()).unwrap_or(u32::MAX);
    let board = Board::of(total as usize);
    let is_over = Arc::new(AtomicBool::new(false));
    let mut runs = JoinSet::new();
    for _ in 0..BESIDE {
        let store = RedisStore::connect(url, &name, clock.clone()).await?;
        let registration = store.register(&queues).await?;
        runs.spawn(worker(store, registration, board.clone(), is_over.clone()));
    }
    sleep(SETTLING).await;
    let sender = broker(url, &name).await?;
    let what = format!("{BESIDE} workers of {count} queues, {TO_MANY} messages/s");
    let sending = async {
        for number in 0..total {
            let mut message: Message = no_op::message().message(clock.now())?;
            message.queue_name = queues[fastrand::usize(..queues.len())].clone();
            message.args = vec![common::message::Raw::from(i64::from(number))];
            board.send(number as usize);
            sender.enqueue(vec![message]).await?;
            sleep(Duration::from_secs(1) / TO_MANY).await;
        }
        Ok::<(), Failed>(())
    };
    observe(url, &what, sending).await?;
    sleep(Duration::from_secs(1)).await;
    pick_ups(&what, board.take(), total)?;
    is_over.store(true, Ordering::Relaxed);
    while let Some(run) = runs.join_next().await {
        run??;
    }
    block_in_place(|| wipe(url, &name))
}

fn pick_ups(what: &str, waits: Vec<Duration>, expected: u32) -> Result<(), Failed> {
    if waits.len() != expected as usize {
        return Err(format!("{} of {expected} messages ran", waits.len()).into());
    }
    if expected == 0 {
        return Ok(());
    }
    let waits = Waits::new(waits)?;
    table::row(&format!("{what}: pick-up, ms: p50, p99, most"), &three(&waits));
    Ok(())
}

fn three(waits: &Waits) -> String {
    format!("{:.2}, {:.2}, {:.2}", waits.at(50), waits.at(99), waits.at(100))
}

/// What the server's own counters say.
struct Counters {
    /// Processor time, in seconds.
    cpu: f64,
    commands: f64,
    scripts: f64,
    /// Microseconds in scripts.
    in_scripts: f64,
}

impl Counters {
    fn read(connection: &mut redis::Connection) -> Result<Self, Failed> {
        let told: String = ask(connection, &["INFO", "everything"])?;
        let field = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().to_owned()
        };
        let number = |text: &str| text.parse::<f64>().unwrap_or_default();
        let scripts = field("cmdstat_evalsha");
        let part = |name: &str| {
            let parts = scripts.split(',').filter_map(|part| part.split_once('='));
            parts.filter(|(known, _)| *known == name).map(|(_, value)| number(value)).sum::<f64>()
        };
        Ok(Self {
            cpu: number(&field("used_cpu_user")) + number(&field("used_cpu_sys")),
            commands: number(&field("total_commands_processed")),
            scripts: part("calls"),
            in_scripts: part("usec"),
        })
    }
}

/// Looks at the server while `work` goes on.
async fn observe(url: &str, what: &str, work: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    let mut asking = connection(url)?;
    let slower: (String, String) = ask(&mut asking, &["CONFIG", "GET", "slowlog-log-slower-than"])?;
    ask::<String>(&mut asking, &["CONFIG", "SET", "slowlog-log-slower-than", "500"])?;
    ask::<String>(&mut asking, &["SLOWLOG", "RESET"])?;
    let is_over = Arc::new(AtomicBool::new(false));
    let (told, mut pinging) = (is_over.clone(), connection(url)?);
    let pings = tokio::task::spawn_blocking(move || {
        let mut waits = Vec::new();
        while !told.load(Ordering::Relaxed) {
            let watch = Stopwatch::start();
            ask::<String>(&mut pinging, &["PING"])?;
            waits.push(watch.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok::<_, Failed>(waits)
    });
    let (before, watch) = (block_in_place(|| Counters::read(&mut asking))?, Stopwatch::start());
    let worked = work.await;
    let (after, seconds) = (block_in_place(|| Counters::read(&mut asking))?, watch.elapsed().as_secs_f64());
    is_over.store(true, Ordering::Relaxed);
    let pings = Waits::new(pings.await??)?;
    worked?;
    let slow: Vec<Vec<redis::Value>> = ask(&mut asking, &["SLOWLOG", "GET", "128"])?;
    ask::<String>(&mut asking, &["CONFIG", "SET", "slowlog-log-slower-than", &slower.1])?;
    let longest = slow.iter().filter_map(|entry| redis::from_redis_value::<f64>(entry.get(2)?.clone()).ok());
    let longest = longest.fold(0.5, f64::max) / if slow.is_empty() { 1.0 } else { 1_000.0 };
    table::row(&format!("{what}: server, % of a core"), &format!("{:.1}", (after.cpu - before.cpu) / seconds * 100.0));
    table::row(&format!("{what}: commands/s"), &format!("{:.0}", (after.commands - before.commands) / seconds));
    let per_script = (after.in_scripts - before.in_scripts) / (after.scripts - before.scripts).max(1.0);
    table::row(&format!("{what}: µs a script"), &format!("{per_script:.0}"));
    table::row(&format!("{what}: longest call, ms"), &format!("{longest:.1}"));
    table::row(&format!("{what}: PING, ms: p50, p99, most"), &three(&pings));
    Ok(())
}
