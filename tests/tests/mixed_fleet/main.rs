//! Workers of both languages on one Redis, which run whatever there is, and are killed at any moment.
//!
//! Half of the messages come from Python. Each runs where its queue is: in Rust, in Python, or in either. All that ran stands in a
//! ledger, and with it is compared what was sent: all of it ran, nothing ran twice that no killed worker had in hand, and whatever
//! followed came after what it follows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(clippy::print_stdout, reason = "a failing test says how to play it again")]

mod ledger;
mod plan;
mod python;
mod workers;

use std::collections::BTreeMap;
use std::fs::File;
use std::thread;
use std::time::Duration;

use common::broker::Broker;
use common::clock::Timestamp;
use common::composition::{Pipeline, group};
use common::message::{Message, MessageId, Raw};
use common::queue_name::QueueName;
use common::results::Stored;
use common::store::Counts;
use tests::model::random::Random;
use tests::process::{PATIENCE, eventually};
use tests::{redis, workspace};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use self::ledger::{Id, Ledger};
use self::plan::{Job, Part, Shape, Side};
use self::workers::{Place, Workers};

/// How many messages are sent, unless `FLEET_MESSAGES` says otherwise.
const MESSAGES: u64 = 1_000;

/// One worker is killed for so many messages.
const MESSAGES_A_KILL: usize = 100;

/// How much longer than usually all may take, a message.
const PATIENCE_A_MESSAGE: Duration = Duration::from_millis(10);

#[test]
fn nothing_is_lost_or_doubled_between_two_languages_whose_workers_are_killed() {
    let seed = workspace::fleet_seed().unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0 >> 32);
    let messages = workspace::fleet_messages().unwrap_or(MESSAGES);
    println!("FLEET_SEED={seed} FLEET_MESSAGES={messages} cargo test -p tests --test mixed_fleet");

    let mut random = Random::new(seed);
    let jobs = plan::draw(&mut random, usize::try_from(messages).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let place = Place { url: redis::url(), namespace: redis::namespace(), ledger: folder.path().join("ledger") };
    File::create(&place.ledger).unwrap();
    let here = Here::new(&place);
    let mut workers = Workers::start(&place);

    let kept = thread::scope(|scope| {
        let there = scope.spawn(|| python::send(&plan::for_python(&jobs), &place.url, &place.namespace));
        let here = scope.spawn(|| here.send(&jobs));
        kill(&mut workers, &place, &jobs, &mut random);
        let mut kept = there.join().unwrap();
        kept.extend(here.join().unwrap());
        kept
    });

    let patience = PATIENCE + PATIENCE_A_MESSAGE * u32::try_from(messages).unwrap();
    let over = eventually(patience, || here.counts().iter().all(is_over).then_some(()));
    assert!(over.is_some(), "not all is done: {:?}", here.counts());
    let mistakes = Ledger::read(&place.ledger).mistakes(&jobs, &workers.held, &here.dead());
    assert!(mistakes.is_empty(), "{} mistakes:\n{}", mistakes.len(), mistakes.join("\n"));
    here.check_results(&jobs, kept, &place);
    let claims = || workers::all_claims(&place.namespace);
    let gone = eventually(PATIENCE, || claims().is_empty().then_some(()));
    assert!(gone.is_some(), "claims of nothing: {:?}", claims());
}

/// Kills workers while their work goes on, each at a moment that the seed decides: once so many runs have begun.
fn kill(workers: &mut Workers<'_>, place: &Place, jobs: &[Job], random: &mut Random) {
    let parts = || jobs.iter().flat_map(|job| &job.parts);
    let runs: usize = parts().map(Part::attempts).sum();
    let mut moments: Vec<_> = (0..parts().count() / MESSAGES_A_KILL).map(|_| random.index(runs * 9 / 10)).collect();
    moments.sort_unstable();
    for moment in moments {
        let so_far = || Some(Ledger::read(&place.ledger)).filter(|ledger| ledger.begun >= moment);
        let ledger = eventually(PATIENCE, so_far).unwrap_or_else(|| panic!("{moment} of {runs} runs never began"));
        workers.kill_one(random.index(4), &ledger);
    }
}

fn is_over(counts: &Counts) -> bool {
    counts.ready + counts.delayed + counts.claimed == 0
}

/// What sends, and looks, in this process.
struct Here {
    broker: Broker,
    runtime: Runtime,
}

/// The queues of the fleet.
const QUEUES: [&str; 3] = ["rust", "python", "shared"];

impl Here {
    fn new(place: &Place) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let address = format!("{}?namespace={}", place.url, place.namespace);
        let broker = runtime.block_on(Broker::connect(&address)).unwrap();
        Self { broker, runtime }
    }

    /// Sends what is Rust's to send, and returns the numbers and ids of those whose results are kept.
    fn send(&self, jobs: &[Job]) -> Vec<(u32, String)> {
        let mut kept = Vec::new();
        for job in jobs.iter().filter(|job| job.sender == Side::Rust) {
            let mut calls: Vec<_> = job.parts.iter().map(Part::call).collect();
            match job.shape {
                Shape::Single => {
                    let sent = calls.remove(0).send_blocking(&self.broker).unwrap();
                    kept.extend(job.parts[0].kept.map(|_| (job.number, sent.message_id.to_string())));
                }
                Shape::Pipeline => {
                    let first = Pipeline::new(calls.remove(0));
                    calls.into_iter().fold(first, Pipeline::append).send_blocking(&self.broker).unwrap();
                }
                Shape::Group => {
                    let then = calls.pop().unwrap();
                    group(calls).then(then).send_blocking(&self.broker).unwrap();
                }
            }
        }
        kept
    }

    fn counts(&self) -> [Counts; 3] {
        QUEUES.map(|queue| self.runtime.block_on(self.broker.counts(&QueueName::canonical(queue))).unwrap())
    }

    /// All dead letters: which messages they are, and what those are called with.
    fn dead(&self) -> Vec<(Id, String)> {
        let letters = |queue: &str| {
            let queue = QueueName::canonical(queue);
            let (mut letters, all) = (Vec::new(), self.runtime.block_on(self.broker.counts(&queue)).unwrap().dead);
            while letters.len() < all {
                letters.extend(self.runtime.block_on(self.broker.dead_letters(&queue, letters.len(), all)).unwrap());
            }
            letters
        };
        QUEUES.into_iter().flat_map(letters).map(|letter| workers::id_of(&letter.bytes)).collect()
    }

    /// Each result is there for both sides, whoever has sent and run it.
    fn check_results(&self, jobs: &[Job], kept: Vec<(u32, String)>, place: &Place) {
        let kept: BTreeMap<u32, String> = kept.into_iter().collect();
        let expected: BTreeMap<u32, i128> =
            jobs.iter().filter_map(|job| job.parts[0].kept.map(|kept| (job.number, kept))).collect();
        let mut here = BTreeMap::new();
        let mut lines = Vec::new();
        for (number, id) in &kept {
            let actor = jobs[*number as usize].parts[0].actor;
            let mut message = Message::new(QueueName::canonical(actor.queue), actor.name, [], Timestamp::EPOCH);
            message.message_id = MessageId::from(&**id);
            let stored = self.runtime.block_on(self.broker.result(&message)).unwrap();
            let Some(Stored::Value(value)) = stored else { panic!("job {number} has come to {stored:?}") };
            here.insert(*number, value.read().unwrap());
            lines.push(format!("[{number},{},{}]", Raw::from(actor.name), Raw::from(&**id)));
        }
        assert_eq!(here, expected, "as Rust reads them");
        let there = python::results(&format!("[{}]", lines.join(",")), &place.url, &place.namespace);
        assert_eq!(BTreeMap::from_iter(there), expected, "as Python reads them");
    }
}
