//! dramatiq's own limits and barriers, in one process of Python's for all sequences of a test.

use super::Script;
use crate::python;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

/// Does what each line says, and answers with a line. What it holds is that of one key's takers, whoever they are.
const SOURCE: &str = r#"
import os
import sys
from dramatiq.rate_limits import Barrier, ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend

backend, held = RedisBackend(url=sys.argv[1]), {}

def take(key, limit):
    taking = ConcurrentRateLimiter(backend, key, limit=int(limit), ttl=900_000).acquire(raise_on_failure=False)
    is_taken = taking.__enter__()
    if is_taken:
        held.setdefault(key, []).append(taking)
    return is_taken

def give_back(key):
    held[key].pop().__exit__(None, None, None)
    return True

def create(key, parties):
    return Barrier(backend, key, ttl=60_000).create(int(parties))

def arrive(key):
    return Barrier(backend, key, ttl=60_000).wait(block=False)

commands = {"take": take, "give back": give_back, "create": create, "arrive": arrive}
for line in sys.stdin:
    command, *words = line.rstrip("\n").split("\t")
    print(int(commands[command](*words)), flush=True)

# What it still holds is nobody's any more.
os._exit(0)
"#;

/// It ends when nobody can tell it anything any more: with this process.
struct Process {
    child: Child,
    from: BufReader<ChildStdout>,
}

impl Process {
    fn start(url: &str) -> Self {
        let mut command = Command::new(python::interpreter());
        command.arg("-c").arg(SOURCE).arg(url).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the virtual environment's python");
        let from = BufReader::new(child.stdout.take().expect("its stdout"));
        Self { child, from }
    }

    fn ask(&mut self, words: &[&str]) -> bool {
        let to = self.child.stdin.as_mut().expect("its stdin");
        writeln!(to, "{}", words.join("\t")).expect("a Python that listens");
        let mut answer = String::new();
        self.from.read_line(&mut answer).expect("a Python that answers");
        match answer.trim() {
            "1" => true,
            "0" => false,
            other => panic!("Python could not {words:?}, and said `{other}`"),
        }
    }
}

impl Script {
    /// Has dramatiq do something about a limit or a barrier, and answers what it says.
    ///
    /// # Panics
    /// When it cannot.
    #[must_use]
    pub fn limits(&self, words: &[&str]) -> bool {
        static PROCESS: OnceLock<Mutex<Process>> = OnceLock::new();
        let process = PROCESS.get_or_init(|| Mutex::new(Process::start(&self.url)));
        process.lock().unwrap_or_else(PoisonError::into_inner).ask(words)
    }
}
