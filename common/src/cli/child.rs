//! A worker as a child process: of a watcher, or of a supervisor.
//!
//! It has a process group of its own, so that Ctrl-C reaches only who started it. Its stdin is a pipe: a byte passes a signal on, and
//! its end means stop, so that a parent that was killed leaves no orphan behind. On its stdout it tells that it is ready.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, PipeReader};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{commands, environment, output};
use crate::clock::Stopwatch;

/// What a child writes to its stdout when it is ready.
pub(super) const READY: &[u8] = b"ready\n";

/// What it writes when it has run enough, and waits for another one to take its place.
pub(super) const RETIRES: &[u8] = b"retires\n";

/// What its line of numbers begins with.
pub(super) const COUNTED: &[u8] = b"counted ";

/// How long is waited for what an ended child has told.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Stands for one signal.
const SIGNAL: &[u8] = b"s";

/// The workers that a watcher or a supervisor has started, by their numbers.
#[derive(Debug)]
pub(super) struct Children {
    running: BTreeMap<u32, Child>,
    tell: UnboundedSender<(u32, Told)>,
}

/// One of them. Dropping it closes its stdin, which stops it.
#[derive(Debug)]
struct Child {
    stdin: Option<ChildStdin>,
    since: Stopwatch,
}

/// What a child tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is about to fetch.
    Ready,
    /// It has run enough, and goes on until another one is ready to take its place.
    Retires,
    /// What it has counted up to now, in its own words.
    Counted(String),
    /// It has ended; it tells nothing after that.
    Ended(Code),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// It never ran.
    NotStarted,
    /// By itself.
    Number(i32),
    /// By a signal.
    Signal(i32),
}

impl Code {
    /// As this process's own exit code.
    pub(super) fn as_u8(self) -> u8 {
        match self {
            Self::Number(code) => u8::try_from(code).unwrap_or(1),
            Self::NotStarted | Self::Signal(_) => 1,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => f.write_str("it could not be started"),
            Self::Number(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

impl Children {
    /// None yet; and what they will tell of themselves, each in its order.
    pub(super) fn new() -> (Self, UnboundedReceiver<(u32, Told)>) {
        let (tell, told) = mpsc::unbounded_channel();
        (Self { running: BTreeMap::new(), tell }, told)
    }

    /// Starts one. Where that fails, it is told of as one that has ended.
    pub(super) fn start(&mut self, number: u32, program: &Path, without: &[&str], with: &[String]) -> io::Result<()> {
        let child = Child::start(number, program, without, with, self.tell.clone()).inspect_err(|_| {
            // The receiver is who calls this.
            let _ = self.tell.send((number, Told::Ended(Code::NotStarted)));
        })?;
        self.running.insert(number, child);
        Ok(())
    }

    /// Passes a signal on.
    pub(super) async fn stop(&mut self, number: u32) {
        if let Some(child) = self.running.get_mut(&number) {
            child.signal().await;
        }
    }

    /// How long ago one was started.
    pub(super) fn ran(&self, number: u32) -> Duration {
        self.running.get(&number).map(|child| child.since.elapsed()).unwrap_or_default()
    }

    /// One has ended.
    pub(super) fn forget(&mut self, number: u32) {
        self.running.remove(&number);
    }
}

impl Child {
    /// Starts `program` as this process was started, but `without` some options, and with others. What becomes of it is told under
    /// its `number`.
    fn start(
        number: u32,
        program: &Path,
        without: &[&str],
        with: &[String],
        tell: UnboundedSender<(u32, Told)>,
    ) -> io::Result<Self> {
        let (stdout, write_end) = io::pipe()?;
        let mut command = Command::new(program);
        command
            .args(arguments_without(without, env::args_os().skip(1)))
            .args(with)
            .arg(format!("--{}", commands::SUPERVISED))
            .stdin(Stdio::piped())
            .stdout(write_end)
            // Who waits for nothing any more leaves none behind.
            .kill_on_drop(true);
        for option in without {
            command.env_remove(environment::name_of(option));
        }
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        // With it goes this process's own end of the pipe, without which the pipe has an end.
        drop(command);
        let stdin = child.stdin.take();
        let told = tell.clone();
        let (read, all_is_read) = oneshot::channel::<()>();
        // A thread, because nobody may read what it passes on.
        thread::Builder::new().name("stdout".to_owned()).spawn(move || {
            listen(number, stdout, &tell);
            drop(read);
        })?;
        tokio::spawn(async move {
            let code = child.wait().await.map_or(Code::NotStarted, Code::from);
            // What it told at last comes before its end; but a process that it has left behind may hold the pipe.
            let _ = timeout(LAST_WORDS, all_is_read).await;
            // Who started it may have ended.
            let _ = told.send((number, Told::Ended(code)));
        });
        Ok(Self { stdin, since: Stopwatch::start() })
    }

    /// Passes a signal on.
    async fn signal(&mut self) {
        if let Some(stdin) = &mut self.stdin {
            // One that has ended already needs no signal.
            let _ = stdin.write_all(SIGNAL).await;
        }
    }
}

/// Passes the worker's output on, all but the lines that tell of it.
fn listen(number: u32, stdout: PipeReader, tell: &UnboundedSender<(u32, Told)>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    while let Ok(1..) = stdout.read_until(b'\n', &mut line) {
        let told = match &*line {
            READY => Some(Told::Ready),
            RETIRES => Some(Told::Retires),
            line => {
                line.strip_prefix(COUNTED).map(|numbers| Told::Counted(String::from_utf8_lossy(numbers).into_owned()))
            }
        };
        match told {
            Some(told) => drop(tell.send((number, told))),
            None => output::pass_on(&line),
        }
        line.clear();
    }
}

impl From<ExitStatus> for Code {
    fn from(status: ExitStatus) -> Self {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            return Self::Signal(signal);
        }
        status.code().map_or(Self::NotStarted, Self::Number)
    }
}

/// Arguments without those options, each of which takes a value.
fn arguments_without(options: &[&str], given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    // Who starts a child says so, also where it is itself one.
    let supervised = format!("--{}", commands::SUPERVISED);
    let options: Vec<_> = options.iter().map(|option| format!("--{option}")).collect();
    let has_value = |argument: &OsString, option: &String| {
        let rest = argument.as_encoded_bytes().strip_prefix(option.as_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"="))
    };
    let mut left = Vec::new();
    let mut given = given.into_iter();
    while let Some(argument) = given.next() {
        if options.iter().any(|option| argument == **option) {
            given.next();
        } else if argument != *supervised && !options.iter().any(|option| has_value(&argument, option)) {
            left.push(argument);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_gets_all_arguments_but_those_of_who_starts_it() {
        let left = |line: &str| {
            arguments_without(&["watch", "processes"], line.split(' ').map(OsString::from)).join(" ".as_ref())
        };
        assert_eq!(left("-v worker --watch . --threads 2"), "-v worker --threads 2");
        assert_eq!(left("worker --watch=a/b --supervised --processes 4"), "worker");
    }
}
