//! Experiments as child processes: read line by line, signalled, never left behind.
//!
//! A [`Process`] is the leader of a process group of its own. Signals go to that group, as a terminal's would, and never to
//! something else: the leader is not reaped before the value is dropped, so its id can't have been given to another.
//!
//! Dropping kills the group. When the test process itself is killed, its reaper does (`process/reaper.rs`).

mod build;
mod output;
mod reaper;
mod signals;
mod waiting;

use self::output::{Output, Stream};
pub use self::waiting::{FIVE_SECONDS, PATIENCE, TEN_SECONDS, eventually, eventually_async, pause};
pub use build::binary;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::{
    any::Any,
    fmt,
    io::{self, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

/// How long what a process printed may still be under way once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Variables of a person's shell that would change what an experiment, or Python, prints, or where it connects.
const NOT_INHERITED: [&str; 9] = [
    "BROKER_URL",
    "CLICOLOR_FORCE",
    "NO_COLOR",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONWARNINGS",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "RUST_LOG",
];

/// Neither a person's language nor their place changes what a program prints.
const ALWAYS: [(&str, &str); 2] = [("LC_ALL", "C.UTF-8"), ("TZ", "UTC")];

/// The shell waits for a word, then becomes the program: whoever reads the word has been reported to the reaper.
/// When the test process dies before, `read` fails and nothing is started.
const WHEN_TOLD: &str = r#"read -r go && exec "$@" </dev/null"#;

/// A running child process; its group is killed when this is dropped.
pub struct Process {
    /// Not reaped before the drop, which keeps its id, and that of its group, ours.
    child: Child,
    /// The command line, for messages.
    command: String,
    /// What it printed so far.
    output: Arc<Output>,
    /// What has to live as long as the process, such as the folder with its files.
    kept: Vec<Box<dyn Any + Send + Sync>>,
    /// How long it is waited for what it is to do.
    patience: Duration,
}

impl Process {
    /// Starts a program in the workspace's root.
    ///
    /// # Panics
    /// When there is no shell to start it with. A program that doesn't exist ends with code 127.
    #[must_use]
    pub fn start(program: &Path, args: &[&str], envs: &[(&str, &str)]) -> Self {
        Self::start_in(crate::workspace::root(), program, args, envs)
    }

    /// Starts a program in a folder.
    ///
    /// # Panics
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn start_in(folder: &Path, program: &Path, args: &[&str], envs: &[(&str, &str)]) -> Self {
        signals::restore();
        let mut shell = Command::new("sh");
        shell.args(["-c", WHEN_TOLD, "sh"]).arg(program).args(args).current_dir(folder);
        for name in NOT_INHERITED {
            shell.env_remove(name);
        }
        shell.envs(ALWAYS).envs(envs.iter().copied()).process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap_or_else(|error| panic!("`sh` can't be started: {error}"));

        let output = Arc::new(Output::default());
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            Output::read(&output, Stream::Out, stdout);
            Output::read(&output, Stream::Error, stderr);
        }
        let command = format!("{} {}", program.display(), args.join(" "));
        let mut process = Self { child, command, output, kept: Vec::new(), patience: PATIENCE };
        reaper::watch(process.group());
        let told = process.child.stdin.take().map(|mut stdin| stdin.write_all(b"go\n"));
        assert!(matches!(told, Some(Ok(()))), "`{}` can't be started: {told:?}", process.command);
        process
    }

    /// Lets a value live as long as the process.
    #[must_use]
    pub fn keeping(mut self, value: impl Any + Send + Sync) -> Self {
        self.kept.push(Box::new(value));
        self
    }

    /// Lets what waits for the process wait for so long, in place of [`PATIENCE`].
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The process's id, which is its group's id too.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line that contains `text` has been printed, and returns it. Lines that were there before count.
    ///
    /// # Panics
    /// When its [patience](Self::patient) is over, or the process closes its output without such a line; with everything printed so far.
    #[expect(clippy::must_use_candidate, reason = "most tests only want to wait")]
    pub fn wait_for_line(&self, text: &str) -> String {
        self.wait_for(&format!("a line with `{text}`"), |line| line.contains(text))
    }

    /// Waits until a line for which `wanted` holds has been printed, and returns it. `what` says what is awaited.
    ///
    /// # Panics
    /// As [`wait_for_line`](Self::wait_for_line) does.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.find_line(wanted).unwrap_or_else(|why| panic!("no {what}: {why}\n{self}"))
    }

    /// As [`wait_for`](Self::wait_for), for whoever has another way when there is no such line.
    pub(crate) fn find_line(&self, wanted: impl Fn(&str) -> bool) -> Result<String, &'static str> {
        self.output.find(wanted, self.patience)
    }

    /// Every line so far, of both streams, in the order in which they were read.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.output.lines(None)
    }

    /// Every line so far of standard output.
    #[must_use]
    pub fn stdout(&self) -> Vec<String> {
        self.output.lines(Some(Stream::Out))
    }

    /// Every line so far of standard error, where logs go.
    #[must_use]
    pub fn stderr(&self) -> Vec<String> {
        self.output.lines(Some(Stream::Error))
    }

    /// Ctrl-C: SIGINT.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// The terminal is closed: SIGHUP.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// SIGTERM, as `kill` sends it: to the process alone, which is to pass it on. Everything else goes to the group.
    ///
    /// # Panics
    /// When the system refuses, which it doesn't for a child that isn't reaped.
    pub fn terminate(&self) {
        // An unreaped child can always be signalled, also when it has ended.
        kill_process(self.group(), Signal::TERM)
            .unwrap_or_else(|error| panic!("SIGTERM can't be sent: {error}\n{self}"));
    }

    /// `kill -9`: SIGKILL.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Ctrl-Z: SIGSTOP, which can't be caught.
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT, after [`suspend`](Self::suspend).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// How the process ended, if it has.
    ///
    /// # Panics
    /// When the system can't say, which doesn't happen to a child that isn't reaped.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let seen = waitid(WaitId::Pid(self.group()), look).expect("a child that isn't reaped can be looked at")?;
        // The layout in which wait(2) reports it: the exit code in the second byte, or the signal in the first.
        let raw = seen.exit_status().map(|code| code << 8).or(seen.terminating_signal());
        raw.map(ExitStatus::from_raw)
    }

    /// Waits until the process has ended and what it printed has been read.
    ///
    /// # Panics
    /// When its [patience](Self::patient) is over; with everything printed so far.
    #[expect(clippy::must_use_candidate, reason = "a test may want the end and not the code")]
    pub fn wait(&self) -> ExitStatus {
        let status = eventually(self.patience, || self.ended());
        let status = status.unwrap_or_else(|| panic!("still running after {:?}\n{self}", self.patience));
        // A grandchild may hold the streams open, so this isn't worth a failure.
        self.output.closed(LAST_WORDS);
        status
    }

    fn group(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        match kill_process_group(self.group(), signal) {
            // Nobody is left in the group but the leader, which has ended.
            Ok(()) | Err(rustix::io::Errno::SRCH | rustix::io::Errno::PERM) => {}
            Err(error) => panic!("{signal:?} can't be sent: {error}\n{self}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // Order matters: once the leader is reaped, its number may be anybody's, so the reaper forgets it before.
        reaper::forget(self.group());
        let _: io::Result<ExitStatus> = self.child.wait();
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "`{}` (process {}) printed:", self.command, self.id())?;
        self.lines().iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Copies a program, to be run there. By another process: what this one has open for writing, any child that a test starts at this
/// moment inherits for as long as it takes to become its program, and until then the system runs no such file ("text file busy").
///
/// # Errors
///
/// Why it could not be copied.
pub fn copy_program(from: &Path, to: &Path) -> io::Result<()> {
    let copied = Command::new("install").args(["-m", "755"]).arg(from).arg(to).output()?;
    let refusal = || io::Error::other(String::from_utf8_lossy(&copied.stderr).trim().to_owned());
    if copied.status.success() { Ok(()) } else { Err(refusal()) }
}
