//! A private redis-server process, for tests that stop, kill and freeze it.

use super::versions;
use crate::process::Process;
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// How often a port that was free a moment ago may turn out to be taken.
const PORTS: usize = 5;

/// The version that is taken where the usual server knows no TLS.
const WITH_TLS: &str = "redis-8.0";

/// A redis-server of one test's own, on a loopback port. Killed when dropped, and when the test process is gone.
///
/// Its port and folder stay the same however often it is started again; whether its data does is up to the options.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    port: u16,
    folder: TempDir,
    options: Vec<String>,
    process: Option<Process>,
}

impl Server {
    /// Starts a server that keeps everything in memory.
    ///
    /// # Panics
    /// When there is no redis-server, or it doesn't start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more options, such as `["--appendonly", "yes", "--appendfsync", "always"]`.
    ///
    /// # Panics
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn start_with(options: &[&str]) -> Self {
        Self::try_start(super::binary(), options)
            .unwrap_or_else(|process| panic!("redis-server doesn't start\n{process}"))
    }

    /// Starts a server that speaks TLS on another port, with the options that say how; on its own it doesn't. The program is the usual
    /// one where that knows TLS, as a distribution's does; the one out of requirements-dev.txt doesn't, and then it is Debian's.
    ///
    /// # Panics
    /// When neither starts, with how to get one that does.
    #[must_use]
    pub fn start_with_tls(tls_port: u16, options: &[&str]) -> Self {
        let port = tls_port.to_string();
        let options = [&["--tls-port", &port], options].concat();
        let usual = super::binary();
        let process = match Self::try_start(usual.clone(), &options) {
            Ok(server) => return server,
            Err(process) => process,
        };
        let debian = std::panic::catch_unwind(|| versions::binary(WITH_TLS));
        let debian = debian.unwrap_or_else(|panic| {
            panic!(
                "no redis-server with TLS: {} starts none, and {}\nInstall one that does (Debian's, Fedora's and Homebrew's do).\n\
                 {process}",
                usual.display(),
                super::reason(Some(panic))
            )
        });
        Self::try_start(debian, &options).unwrap_or_else(|other| panic!("no redis-server with TLS\n{process}{other}"))
    }

    fn try_start(program: PathBuf, options: &[&str]) -> Result<Self, Process> {
        let options = options.iter().map(ToString::to_string).collect();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut server = Self { program, port: 0, folder, options, process: None };
        let mut left = PORTS;
        loop {
            server.port = free_port();
            match server.launch() {
                Ok(()) => return Ok(server),
                // Only a port may be free the next time.
                Err(process) if left == 1 || !process.to_string().contains("in use") => return Err(process),
                Err(_) => left -= 1,
            }
        }
    }

    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill): same port, folder and options.
    ///
    /// # Panics
    /// When it doesn't start, with what it said.
    pub fn start_again(&mut self) {
        self.launch().unwrap_or_else(|process| panic!("redis-server doesn't start\n{process}"));
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// When it doesn't end.
    pub fn stop(&mut self) {
        let process = self.process.take().expect("the server runs");
        process.terminate();
        process.wait();
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn kill(&mut self) {
        drop(self.process.take().expect("the server runs"));
    }

    /// Freezes it: connections stay open, nothing is answered.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn pause(&self) {
        self.running().suspend();
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn resume(&self) {
        self.running().resume();
    }

    /// Its URL, without a database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port on the loopback interface.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder, where it keeps its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The id of its process.
    ///
    /// # Panics
    /// When it doesn't run.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running().id()
    }

    /// A blocking connection to it.
    ///
    /// # Panics
    /// When it doesn't answer.
    #[must_use]
    pub fn connection(&self) -> redis::Connection {
        super::connect(&self.url()).unwrap_or_else(|error| panic!("{} doesn't answer: {error}", self.url()))
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("the server runs")
    }

    fn launch(&mut self) -> Result<(), Process> {
        let port = self.port.to_string();
        let mut args = vec!["--port", &port, "--bind", "127.0.0.1", "--save", ""];
        args.extend(self.options.iter().map(String::as_str));
        let process = Process::start_in(self.folder.path(), &self.program, &args, &[]);
        if process.find_line(|line| line.contains("Ready to accept connections")).is_err() {
            return Err(process);
        }
        self.process = Some(process);
        Ok(())
    }
}

/// A port that is free at this moment. Somebody may take it before the server does.
///
/// # Panics
/// When none is.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.expect("a loopback port is free").port()
}
