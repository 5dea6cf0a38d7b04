//! Plays what may happen on a store and on the model, side by side.
//!
//! Each call's answer has to be one that the model allows, and after every step the numbers of all places have to agree. A worker
//! here is as forgetful as a process can be: it dies, stands still, and loses answers.

mod completion;
mod drain;
mod limits;
mod moving;
mod possible;
mod python;
mod sending;
mod time;
mod working;

use self::python::PythonWorker;
use super::{
    operation::{Kind, Operation, enqueue, finish_one, limit},
    places::{Found, Places, Wrong},
    python::Script,
    sequence::{Scene, Stage},
};
use common::{
    clock::{Clock, Timestamp},
    message::{Message, MessageId, Raw},
    queue_name::QueueName,
    store::{Claim, Inspect, PAGE, Registration, Slot},
};
use std::{fmt, sync::Arc};
use tempfile::TempDir;

/// When every sequence begins.
pub const START: Timestamp = Timestamp::from_millis(1_795_485_700_000);

/// The queues of every sequence.
const QUEUES: [&str; 2] = ["a", "b"];

/// Messages that wait or run at once, at most: more would make the model slow, and show nothing new.
const MANY: usize = 40;

/// Workers that live at once, at most.
const CREW: usize = 4;

/// A store at work, and what the model knows of it.
pub struct Runner {
    store: Arc<dyn Inspect>,
    clock: Clock,
    queues: Vec<QueueName>,
    /// What should be.
    pub places: Places,
    /// The workers, by the model's numbers.
    workers: Vec<RustWorker>,
    /// dramatiq's script, where Python's workers take part.
    script: Option<Arc<Script>>,
    /// Python's workers, by the model's numbers; the last one lives.
    pythons: Vec<PythonWorker>,
    /// All that were sent, as they were sent.
    sent: Vec<Message>,
    /// Makes messages, and results, tell themselves apart.
    last: u32,
    results: String,
    /// The group whose members end now, and what comes after it.
    group: Option<(String, Message)>,
    /// All slots of limits that were ever wanted.
    slots: Vec<Slot>,
    steps: usize,
    /// Whether workers make nothing of it that they have lost a claim, and end the next run's with the first one's.
    late_ends_count: bool,
    /// The folder that the store lies in.
    _folder: Option<TempDir>,
    story: Option<Vec<String>>,
}

/// A worker's own view.
struct RustWorker {
    registration: Registration,
    /// What it believes to hold.
    held: Vec<Held>,
    /// What it held once.
    past: Vec<Held>,
    is_alive: bool,
    is_asleep: bool,
    /// How many runs it has begun.
    runs: u32,
}

/// What one run of a message holds. A worker may have two of one message: its first one, whose claim it lost while it stood
/// still, and one that it fetched since.
#[derive(Clone)]
struct Held {
    claim: Claim,
    message: Message,
    /// Which of its worker's runs it is.
    run: u32,
    /// Whether it is unmarked and has not started, as far as it was said.
    waits: bool,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Runner {
    /// An empty store under a manual clock that stands at [`START`]. With `tells`, the story is kept for whoever has to find out why.
    #[must_use]
    pub fn new(scene: Scene, clock: Clock, stage: &impl Stage, tells: bool) -> Self {
        let mut runner = Self {
            store: scene.store,
            script: scene.script.map(Arc::new),
            pythons: Vec::new(),
            clock,
            queues: QUEUES.map(QueueName::canonical).to_vec(),
            places: Places::new(START, stage.tolerances()),
            workers: Vec::new(),
            sent: Vec::new(),
            last: 0,
            results: scene.results,
            group: None,
            slots: Vec::new(),
            steps: 0,
            late_ends_count: stage.late_ends_count(),
            _folder: scene.folder,
            story: tells.then(Vec::new),
        };
        runner.start_python();
        runner
    }

    /// Leaves nothing behind on a server.
    pub async fn close(&self) {
        if let Some(script) = &self.script {
            script.clear().await;
        }
    }

    /// What has happened, where it was kept.
    #[must_use]
    pub fn story(&self) -> String {
        self.story.as_deref().unwrap_or_default().join("\n")
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(what());
        }
    }

    /// One thing happens. Answers whether there was anything that it could happen to.
    ///
    /// # Errors
    ///
    /// Where the store does not do what it should.
    #[expect(clippy::unnested_or_patterns, reason = "macros stand for parts of the patterns")]
    pub async fn step(&mut self, operation: Operation) -> Result<bool, Wrong> {
        let kind = operation.kind;
        if !self.is_possible(kind) {
            return Ok(false);
        }
        match kind {
            enqueue!() | Kind::EnqueueAgain | Kind::EnqueueTwin => self.send(operation).await?,
            Kind::Register => self.register(operation).await?,
            Kind::Fetch | Kind::FetchUnanswered => self.fetch(operation).await?,
            Kind::Start => self.start(operation).await?,
            finish_one!() | Kind::FinishSeveral | Kind::ReleaseAll | Kind::FinishLost => self.finish(operation).await?,
            Kind::Tick | Kind::Ticks | Kind::Late | Kind::Minute | Kind::Week | Kind::Watch => self.pass(kind).await?,
            Kind::Crash | Kind::Sleep | Kind::Wake | Kind::Deregister => self.disturb(operation).await?,
            Kind::Cancel => self.cancel(operation).await?,
            Kind::Pause | Kind::Resume => self.pause(operation).await?,
            Kind::Purge => self.purge(operation).await?,
            Kind::RequeueDead | Kind::Delete => self.touch_letter(operation).await?,
            Kind::Look => self.look().await?,
            limit!() | Kind::PythonGiveSlotBack => {
                self.limit_something(operation).await?;
                return Ok(true);
            }
            _ => self.python(operation).await?,
        }
        self.count().await?;
        self.reach().await?;
        Ok(true)
    }

    /// The workers that are alive and fit.
    fn any(&self, fits: impl Fn(&RustWorker) -> bool) -> Option<usize> {
        self.workers.iter().position(|worker| worker.is_alive && fits(worker))
    }

    /// One of the workers that are alive and fit; there has to be one.
    fn one_of(&self, operation: Operation, fits: impl Fn(&RustWorker) -> bool) -> Result<usize, Wrong> {
        let fit: Vec<_> =
            (0..self.workers.len()).filter(|at| self.workers[*at].is_alive && fits(&self.workers[*at])).collect();
        fit.get(operation.pick(0, fit.len())).copied().ok_or_else(|| Wrong("nobody could do it".to_owned()))
    }

    /// A new message for one of the queues.
    fn message(&mut self, queue: usize) -> Message {
        self.last += 1;
        let queue = self.queues[queue % self.queues.len()].clone();
        Message {
            message_id: MessageId::from(&*format!("{:06}", self.last)),
            ..Message::new(queue, "work", [Raw::from(self.last)], START)
        }
    }

    /// Compares the numbers of one queue, of another one after each step.
    async fn count(&mut self) -> Result<(), Wrong> {
        self.steps += 1;
        let queue = &self.queues[self.steps % self.queues.len()];
        self.places.counted(queue, self.store.counts(queue).await.map_err(refused)?)
    }

    /// Compares everything that can be seen.
    ///
    /// # Errors
    ///
    /// Where it differs.
    pub async fn look(&mut self) -> Result<(), Wrong> {
        let mut places = self.places.clone();
        self.compare(&mut places).await?;
        self.places = places;
        self.tell(|| "look".to_owned());
        self.claimed_by_the_living().await
    }

    async fn compare(&self, places: &mut Places) -> Result<(), Wrong> {
        for queue in &self.queues {
            places.counted(queue, self.store.counts(queue).await.map_err(refused)?)?;
            let letters = self.store.dead_letters(queue, 0, DEEP).await.map_err(refused)?;
            places.read(queue, &letters)?;
        }
        // All ids begin alike, so one search finds everything, unless that is more than a search shows.
        let ids = if places.items.len() + places.letters.len() < PAGE { vec![ALIKE] } else { self.ids() };
        for id in ids {
            let found = self.store.find(id, places.tolerances.depth).await.map_err(refused)?;
            places.found(id, &found)?;
        }
        places.listed(&self.store.queues(None, DEEP).await.map_err(refused)?)?;
        places.met(&self.store.workers(None, DEEP).await.map_err(refused)?)?;
        for name in places.groups.keys() {
            places.counted_members(name, self.store.group(name).await.map_err(refused)?)?;
        }
        for key in places.stored.keys() {
            places.kept(key, self.store.stored(key).await.map_err(refused)?.as_ref())?;
        }
        Ok(())
    }

    /// The ids of all that was sent.
    fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<_> = self.sent.iter().map(|message| message.message_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// After a lost answer: what is there has to be what one of these says.
    async fn settle(&mut self, possible: Vec<Places>) -> Result<(), Wrong> {
        let mut wrongs = Vec::new();
        for mut places in possible {
            match self.compare(&mut places).await {
                Ok(()) => {
                    self.places = places;
                    return Ok(());
                }
                Err(Wrong(wrong)) => wrongs.push(wrong),
            }
        }
        Err(Wrong(format!(
            "a call whose answer was lost should have happened as a whole, or not at all:\n  {}",
            wrongs.join("\n  ")
        )))
    }
}

/// How the ids of all messages begin.
const ALIKE: &str = "0";

/// How many of anything a look takes in.
const DEEP: usize = 100;

fn refused(error: impl fmt::Display) -> Wrong {
    Wrong(format!("the store says: {error}"))
}
