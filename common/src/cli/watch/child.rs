//! A worker as a child process.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, PipeReader};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::thread;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc::UnboundedSender;

use super::super::{commands, output, runner};
use super::plan::{Code, Event};

/// Stands for one signal.
const SIGNAL: &[u8] = b"s";

/// A worker that the watcher has started. Dropping it closes its stdin, which stops it.
#[derive(Debug)]
pub(super) struct Child {
    stdin: Option<ChildStdin>,
}

impl Child {
    /// Starts `program` with the arguments of this process. What becomes of it is told under its `number`.
    pub(super) fn start(number: u32, program: &Path, tell: UnboundedSender<Event>) -> io::Result<Self> {
        let (stdout, write_end) = io::pipe()?;
        let mut command = Command::new(program);
        command
            .args(without_watch(env::args_os().skip(1)))
            .arg(format!("--{}", commands::SUPERVISED))
            .stdin(Stdio::piped())
            .stdout(write_end);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        // With it goes this process's own end of the pipe, without which the pipe has an end.
        drop(command);
        let stdin = child.stdin.take();
        let told = tell.clone();
        // A thread, because nobody may read what it passes on.
        thread::Builder::new().name("stdout".to_owned()).spawn(move || listen(number, stdout, &told))?;
        tokio::spawn(async move {
            let code = child.wait().await.map_or(Code::NotStarted, Code::from);
            // The watcher may have ended.
            let _ = tell.send(Event::Ended(number, code));
        });
        Ok(Self { stdin })
    }

    /// Passes a signal on.
    pub(super) async fn signal(&mut self) {
        if let Some(stdin) = &mut self.stdin {
            // One that has ended already needs no signal.
            let _ = stdin.write_all(SIGNAL).await;
        }
    }
}

/// Passes the worker's output on, all but the line that says that it is ready.
fn listen(number: u32, stdout: PipeReader, tell: &UnboundedSender<Event>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    let mut is_ready = false;
    while let Ok(1..) = stdout.read_until(b'\n', &mut line) {
        if !is_ready && line == runner::READY.as_bytes() {
            is_ready = true;
            let _ = tell.send(Event::Ready(number));
        } else {
            output::pass_on(&line);
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

/// The arguments without `--watch DIR`.
fn without_watch(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let watch = format!("--{}", commands::WATCH);
    let with_value = format!("{watch}=");
    let mut left = Vec::new();
    let mut given = given.into_iter();
    while let Some(argument) = given.next() {
        if argument == *watch {
            given.next();
        } else if !argument.as_encoded_bytes().starts_with(with_value.as_bytes()) {
            left.push(argument);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_gets_all_arguments_but_the_watching() {
        let left = |line: &str| without_watch(line.split(' ').map(OsString::from)).join(" ".as_ref());
        assert_eq!(left("-v worker --watch . --threads 2"), "-v worker --threads 2");
        assert_eq!(left("worker --watch=a/b"), "worker");
    }
}
