//! Experiments as a person runs them: a worker, and senders beside it, all on the tests' Redis in a namespace of their own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};
use tempfile::TempDir;
use tests::{
    process::{self, Process},
    redis, workspace,
};
use uuid::Uuid;

/// An experiment's program, and where its messages lie.
pub(crate) struct Experiment {
    pub(crate) program: PathBuf,
    /// Where it is started.
    pub(crate) folder: PathBuf,
    pub(crate) namespace: String,
}

impl Experiment {
    /// One of the lab's.
    pub(crate) fn of_the_lab(name: &str) -> Self {
        Self::at(process::binary(name), workspace::root())
    }

    /// One that [`write`] has written.
    pub(crate) fn written(name: &str, folder: &Path) -> Self {
        Self::at(build(name, folder), folder)
    }

    fn at(program: PathBuf, folder: &Path) -> Self {
        Self { program, folder: folder.to_owned(), namespace: redis::namespace() }
    }

    /// The URL of its broker.
    pub(crate) fn broker(&self) -> String {
        format!("{}?namespace={}", redis::url(), self.namespace)
    }

    /// Starts it with these arguments, and its broker.
    pub(crate) fn start(&self, args: &[&str]) -> Process {
        self.start_with(args, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn start_with(&self, args: &[&str], envs: &[(&str, &str)]) -> Process {
        let broker = self.broker();
        let args = [args, &["--broker", &broker]].concat();
        Process::start_in(&self.folder, &self.program, &args, &[&environment(), envs].concat())
    }

    /// Starts a worker, with further arguments, and waits until it is ready.
    pub(crate) fn worker(&self, args: &[&str]) -> Process {
        let worker = self.start(&[&["worker"], args].concat());
        worker.wait_for_line("ready: ");
        worker
    }

    /// Sends a message, and returns the first characters of its id, as logs show it.
    pub(crate) fn send(&self, call: &[&str]) -> String {
        let sender = self.start(call);
        assert!(sender.wait().success(), "{sender}");
        let printed = sender.stdout();
        assert!(printed.len() == 1 && Uuid::parse_str(&printed[0]).is_ok(), "more, or less, than an id: {sender}");
        printed[0][..8].to_owned()
    }

    /// How many messages wait, run, or are kept as dead letters.
    pub(crate) fn stored(&self) -> usize {
        let hashes = ["default", "default.DQ", "default.XQ"].map(|queue| format!("{}:{queue}.msgs", self.namespace));
        let sizes = hashes.iter().map(|hash| ::redis::cmd("HLEN").arg(hash).query::<usize>(&mut redis::connection()));
        sizes.map(|size| size.expect("the tests' Redis answers")).sum()
    }
}

/// Writes an experiment into a folder of its own, outside of the workspace, on the library of this checkout.
pub(crate) fn write(name: &str, source: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let root = workspace::root();
    let read = |name: &str| fs::read_to_string(root.join(name)).expect("the workspace has it");
    let workspace = read("Cargo.toml");
    // The same profiles, so that the dependencies that the workspace has built are fresh.
    let profiles = workspace.find("[profile.").map_or("", |start| &workspace[start..]);
    let manifest = format!(
        r#"
[package]
name = "{name}"
edition = "2024"

[dependencies]
common = {{ path = '{}', features = ["lab"] }}
serde = {{ version = "1", features = ["derive"] }}
tracing = "0.1"

[workspace]

{profiles}"#,
        root.join("common").display()
    );
    let notes = format!("{name}\n{}\n", "=".repeat(name.len()));
    let lock = read("Cargo.lock");
    for (file, text) in [("Cargo.toml", &*manifest), ("Cargo.lock", &lock), ("README.rst", &notes), (MAIN, source)] {
        let path = folder.path().join(file);
        let written = fs::create_dir_all(path.parent().unwrap_or(folder.path())).and_then(|()| fs::write(&path, text));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    folder
}

/// Where an experiment's actors are, below its folder.
pub(crate) const MAIN: &str = "src/main.rs";

fn build(name: &str, folder: &Path) -> PathBuf {
    let profile = workspace::profile();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--profile", &profile]).current_dir(folder).stdin(Stdio::null());
    let output = cargo.envs(environment()).output();
    let output = output.unwrap_or_else(|error| panic!("cargo can't be started: {error}"));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let built_in = if profile == "dev" { "debug" } else { &profile };
    workspace::target().join(built_in).join(name)
}

/// Tells every cargo below the test to share the workspace's target directory, and to take what is there.
fn environment() -> [(&'static str, &'static str); 2] {
    static TARGET: OnceLock<String> = OnceLock::new();
    let target = TARGET.get_or_init(|| workspace::target().display().to_string());
    [("CARGO_TARGET_DIR", target), ("CARGO_NET_OFFLINE", "true")]
}
