//! The workers of the fleet, which are killed at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use common::clock::Timestamp;
use common::message::{Message, Raw};
use redis::Commands as _;
use tests::process::Process;

use crate::ledger::{Held, Id, Ledger};
use crate::plan::Side;
use crate::python;

/// Where all of them are.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) namespace: String,
    pub(crate) ledger: PathBuf,
}

/// Workers of both sides, and their successors.
pub(crate) struct Workers<'a> {
    place: &'a Place,
    redis: redis::Connection,
    running: Vec<Worker>,
    started: usize,
    pub(crate) held: Held,
}

struct Worker {
    side: Side,
    /// What it is called in the ledger.
    name: String,
    /// Its id in Redis; Python's stand in the ledger.
    id: Option<String>,
    process: Process,
}

impl<'a> Workers<'a> {
    /// Two of each side.
    pub(crate) fn start(place: &'a Place) -> Self {
        let redis = tests::redis::connection();
        let mut workers = Self { place, redis, running: Vec::new(), started: 0, held: Held::default() };
        for side in [Side::Python, Side::Python, Side::Rust, Side::Rust] {
            let worker = workers.one(side);
            workers.running.push(worker);
        }
        workers
    }

    /// Kills one, and starts another one in its place. It goes from `index` on to one that has something to do: who is killed amid its
    /// start has lost nothing.
    pub(crate) fn kill_one(&mut self, index: usize, ledger: &Ledger) {
        let count = self.running.len();
        let victim =
            (0..count).map(|step| (index + step) % count).find(|at| ledger.busy.contains(&self.running[*at].name));
        let Some(victim) = victim else { return };
        let worker = &self.running[victim];
        let id = worker.id.clone().or_else(|| ledger.ids.get(&worker.name).cloned());
        let id = id.expect("a worker that is busy has an id");
        let side = worker.side;
        // What it has in hand may run once more. It goes on until it has really ended, and then others may be quick to take it over.
        worker.process.suspend();
        let mut held = claims(&mut self.redis, &self.place.namespace, &id);
        worker.process.kill();
        worker.process.wait();
        held.append(&mut claims(&mut self.redis, &self.place.namespace, &id));
        println!("killed {} with {held:?} in hand, once {} runs had begun", worker.name, ledger.begun);
        let counts = if side == Side::Rust { &mut self.held.by_rust } else { &mut self.held.by_python };
        for message in held {
            *counts.entry(message).or_default() += 1;
        }
        self.running[victim] = self.one(side);
    }

    fn one(&mut self, side: Side) -> Worker {
        self.started += 1;
        let Place { url, namespace, ledger } = self.place;
        match side {
            Side::Python => {
                let name = format!("python-{}", self.started);
                let process = python::worker(ledger, &name, url, namespace);
                Worker { side, name, id: None, process }
            }
            Side::Rust => {
                let name = format!("rust-{}", self.started);
                let before = self.registered();
                let address = format!("{url}?namespace={namespace}");
                let args = [&*address, &ledger.display().to_string(), &name];
                let process = Process::start(Path::new(env!("CARGO_BIN_EXE_fleet_worker")), &args, &[]);
                process.wait_for_line("ready");
                // Nobody else starts one meanwhile.
                let new: Vec<_> = self.registered().difference(&before).cloned().collect();
                let [id] = new.try_into().expect("one more worker is registered");
                Worker { side, name, id: Some(id), process }
            }
        }
    }

    /// The Rust workers that Redis knows. What holds what is delayed for all of them is there as well, with a queue in place of queues.
    fn registered(&mut self) -> BTreeSet<String> {
        let all: BTreeMap<String, String> = self.redis.hgetall(format!("{}:@rust", self.place.namespace)).unwrap();
        all.into_iter().filter(|(_, queues)| !queues.starts_with('@')).map(|(id, _)| id).collect()
    }
}

/// The keys of all claims.
pub(crate) fn all_claims(namespace: &str) -> Vec<String> {
    keys(&mut tests::redis::connection(), &format!("{namespace}:__acks__.*"))
}

fn keys(redis: &mut redis::Connection, pattern: &str) -> Vec<String> {
    redis.scan_match(pattern).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The messages that a worker has claimed.
fn claims(redis: &mut redis::Connection, namespace: &str, worker: &str) -> BTreeSet<Id> {
    let prefix = format!("{namespace}:__acks__.{worker}.");
    let mut found = BTreeSet::new();
    for key in keys(redis, &format!("{prefix}*")) {
        let ids: Vec<String> = redis.smembers(&key).unwrap();
        for id in ids {
            let body: Option<Vec<u8>> = redis.hget(format!("{namespace}:{}.msgs", &key[prefix.len()..]), id).unwrap();
            // Its end may have arrived since.
            found.extend(body.map(|body| id_of(&body).0));
        }
    }
    found
}

/// Which message it is, and what it is called with.
pub(crate) fn id_of(body: &[u8]) -> (Id, String) {
    let message = Message::decode(body, Timestamp::EPOCH).unwrap();
    let number = |index: usize| message.args[index].read().unwrap();
    let args: Vec<_> = message.args.iter().map(Raw::as_str).collect();
    ((number(0), number(1)), format!("[{}]", args.join(",")))
}
