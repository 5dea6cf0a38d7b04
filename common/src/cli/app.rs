//! What the command line has to know about a program.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::vec::IntoIter;

use super::Failure;
use crate::actor::{Declaration, Parameter};
use crate::broker::{Broker, BrokerBuilder};
use crate::message::Raw;
use crate::results::Readable;
use crate::worker::Worker;

/// The broker of a program that names none, unless it is an experiment.
const DEFAULT_BROKER: &str = "redis://localhost:6379";

/// A program with actors, and what it is called by.
///
/// ```no_run
/// # use std::process::ExitCode;
/// # use common::{actor, actors, cli};
/// # struct Pool;
/// # impl Pool { async fn open(url: &str) -> Result<Self, std::io::Error> { Ok(Self) } }
/// # #[actor] fn send_mail(pool: &Pool, to: String) {}
/// fn main() -> ExitCode {
///     cli::app!()
///         .actors(actors![send_mail])
///         .worker(async |worker| Ok(worker.state(Pool::open("postgres://localhost").await?)))
///         .run()
/// }
/// ```
pub struct App {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) version: &'static str,
    pub(super) actors: Vec<&'static Declaration>,
    pub(super) commands: &'static [OwnCommand],
    pub(super) package: Option<Package>,
    /// Where messages wait when nobody says so; none where that is looked for, as an experiment does.
    pub(super) default_broker: Option<String>,
    pub(super) lesson: Option<Lesson>,
    broker: Box<dyn Fn(BrokerBuilder) -> BrokerBuilder>,
    worker: Box<dyn Fn(Worker) -> Setup>,
}

/// A worker that gets its state.
type Setup = Pin<Box<dyn Future<Output = Result<Worker, String>>>>;

/// The package that a program is built from.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// Its name, and so its binary's.
    pub name: &'static str,
    /// The folder of its `Cargo.toml`.
    pub folder: &'static str,
    /// Whether it was built in the release profile.
    pub release: bool,
}

/// What an experiment has beside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lesson {
    /// The text of its `README.rst`.
    pub(crate) notes: &'static str,
    /// The script of its demonstration.
    pub(crate) demo: &'static [Step],
}

/// One command of a demonstration.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The command line, without the program's name.
    pub command: &'static str,
    /// Run it when a log line with this text has been seen since the command before it; empty: at once.
    pub after: &'static str,
}

/// A command of a program's own; [`commands!`](super::commands!) makes them.
#[derive(Clone, Copy, Debug)]
pub struct OwnCommand {
    /// What is typed.
    pub name: &'static str,
    /// What it does, for the help.
    pub about: &'static str,
    /// What it takes.
    pub parameters: &'static [Parameter],
    /// Calls its function with what was typed.
    pub run: fn(Broker, IntoIter<Raw>) -> Running,
}

/// A command of a program's own, under way.
pub type Running = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// The next of the arguments that were typed for a command of a program's own.
///
/// # Errors
///
/// Why it is no `T`; what is read by the type of its parameter is one.
pub fn next<T: Readable>(arguments: &mut IntoIter<Raw>) -> Result<T, String> {
    arguments.next().unwrap_or(Raw::NULL).read().map_err(|error| error.to_string())
}

impl App {
    /// A program of this name, without actors. [`app!`](super::app!) knows more of it.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            about: "",
            version: "",
            actors: Vec::new(),
            commands: &[],
            package: None,
            default_broker: Some(DEFAULT_BROKER.to_owned()),
            lesson: None,
            broker: Box::new(|broker| broker),
            worker: Box::new(|worker| Box::pin(async { Ok(worker) })),
        }
    }

    /// What it does, for the help: a line.
    #[must_use]
    pub fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// What `--version` says.
    #[must_use]
    pub fn version(self, version: &'static str) -> Self {
        Self { version, ..self }
    }

    /// What it is built from, for `worker --watch`.
    #[must_use]
    pub fn package(self, package: Package) -> Self {
        Self { package: Some(package), ..self }
    }

    /// Adds actors: each is a command that sends it, and its workers run them.
    #[must_use]
    pub fn actors(mut self, actors: &[&'static Declaration]) -> Self {
        self.actors.extend_from_slice(actors);
        self
    }

    /// Commands of its own.
    #[must_use]
    pub fn commands(self, commands: &'static [OwnCommand]) -> Self {
        Self { commands, ..self }
    }

    /// Where messages wait when neither `--broker` nor `BROKER_URL` says so; else `redis://localhost:6379`.
    #[must_use]
    pub fn default_broker(self, url: impl Into<String>) -> Self {
        Self { default_broker: Some(url.into()), ..self }
    }

    /// Sets up the broker of its worker and its senders: middleware, other settings.
    #[must_use]
    pub fn broker(self, setup: impl Fn(BrokerBuilder) -> BrokerBuilder + 'static) -> Self {
        Self { broker: Box::new(setup), ..self }
    }

    /// Sets up its worker, in an async function: state. An error ends the program with exit code 1.
    #[must_use]
    pub fn worker(self, setup: impl AsyncFn(Worker) -> Result<Worker, Box<dyn Error>> + 'static) -> Self {
        let setup = Rc::new(setup);
        let worker = Box::new(move |worker| -> Setup {
            let setup = setup.clone();
            Box::pin(async move { setup(worker).await.map_err(|error| error.to_string()) })
        });
        Self { worker, ..self }
    }

    /// Runs it with the command line of this process.
    #[must_use]
    pub fn run(self) -> ExitCode {
        super::run(&self)
    }

    /// Makes it an experiment.
    pub(crate) fn lesson(self, lesson: Lesson) -> Self {
        Self { lesson: Some(lesson), default_broker: None, ..self }
    }

    /// Its own command of that name.
    pub(super) fn own(&self, name: &str) -> Option<&'static OwnCommand> {
        self.commands.iter().find(|own| own.name == name)
    }

    /// Its broker, before it is connected.
    pub(super) fn broker_builder(&self) -> BrokerBuilder {
        (self.broker)(Broker::builder())
    }

    /// Its worker, with its actors.
    pub(super) async fn new_worker(&self, broker: Broker) -> Result<Worker, Failure> {
        let worker = (self.worker)(Worker::new(broker)).await;
        let worker = worker.map_err(|error| Failure::Broken(format!("the worker could not be set up: {error}")))?;
        Ok(worker.actors(&self.actors))
    }

    /// How it is called in a shell.
    pub(super) fn call(&self) -> String {
        if self.lesson.is_some() { format!("cargo run -p {} --", self.name) } else { self.name.to_owned() }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("name", &self.name).field("actors", &self.actors).finish_non_exhaustive()
    }
}
