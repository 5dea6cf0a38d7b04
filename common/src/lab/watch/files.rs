//! Which files change.
//!
//! What cargo reads matters: Rust's sources, `Cargo.toml`, `Cargo.lock`, and whatever else the last build has read, which cargo
//! notes beside the program (`PROGRAM.d`). A log or a database in the same folder is no reason to build.
//!
//! Folders are watched one by one, so that those that don't matter cost nothing: what begins with a dot, and cargo's target
//! folders, whatever their name.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

use crate::clock::Stopwatch;

/// An editor that saves, or a switch of branches, is over when nothing that matters has changed for so long.
const QUIET: Duration = Duration::from_millis(100);

/// What cargo puts into its target folders.
const CACHE_TAG: &str = "CACHEDIR.TAG";

/// The changes below a folder.
#[derive(Debug)]
pub(super) struct Changes {
    watcher: RecommendedWatcher,
    events: UnboundedReceiver<notify::Result<Event>>,
    filter: Filter,
    burst: Burst,
}

/// Changes that are not over yet.
#[derive(Debug, Default)]
struct Burst {
    /// Each path, and whether the burst began with its creation.
    paths: BTreeMap<PathBuf, bool>,
    /// Runs since the last one of them; not there without any.
    since: Option<Stopwatch>,
}

impl Changes {
    /// Watches `folder`, for the sources of `program`. The `notes` are part of it, and yet no reason for a new worker.
    pub(super) fn of(folder: &Path, program: &Path, notes: &Path) -> Result<Self, String> {
        let cannot = |cause: &dyn std::fmt::Display| format!("cannot watch `{}`: {cause}", folder.display());
        let filter = Filter::new(folder, program, notes).map_err(|error| cannot(&error))?;
        if !filter.root.is_dir() {
            return Err(cannot(&"it is no folder"));
        }
        let (tell, events) = mpsc::unbounded_channel();
        let watcher =
            notify::recommended_watcher(move |event| drop(tell.send(event))).map_err(|error| cannot(&error))?;
        let mut changes = Self { watcher, events, filter, burst: Burst::default() };
        changes.watch_folders().map_err(|error| cannot(&error))?;
        Ok(changes)
    }

    /// Waits until something has changed, and then nothing for a while; names it for people. Cancel safe.
    pub(super) async fn next(&mut self) -> String {
        loop {
            let event = match self.burst.since.map(Stopwatch::elapsed) {
                None => Some(self.events.recv().await),
                Some(quiet) if quiet < QUIET => timeout(QUIET.saturating_sub(quiet), self.events.recv()).await.ok(),
                Some(_) => None,
            };
            match event {
                Some(Some(event)) => self.take(event),
                Some(None) => std::future::pending().await,
                None => {
                    let burst = std::mem::take(&mut self.burst);
                    if let Some(changed) = self.filter.changed(&burst.paths) {
                        return changed;
                    }
                }
            }
        }
    }

    fn take(&mut self, event: notify::Result<Event>) {
        let mut event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(target: "common::watch", "a change may have been missed: {error}");
                return;
            }
        };
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        if event.need_rescan() {
            event.paths.push(self.filter.root.clone());
        }
        if event.paths.iter().any(|path| path.is_dir()) {
            // A folder that vanishes meanwhile needs no watching.
            let _ = self.watch_folders();
        }
        for path in event.paths {
            if path.is_dir() || self.filter.is_read(&path) {
                self.burst.paths.entry(path).or_insert(event.kind.is_create());
                self.burst.since = Some(Stopwatch::start());
            }
        }
    }

    fn watch_folders(&mut self) -> notify::Result<()> {
        for folder in self.filter.folders() {
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Err(error) if folder.is_dir() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What matters.
#[derive(Debug)]
struct Filter {
    root: PathBuf,
    notes: PathBuf,
    /// What cargo noted of the last build.
    record: PathBuf,
    /// When it did so.
    written: Option<SystemTime>,
    /// All files that were read then.
    read: BTreeSet<PathBuf>,
}

impl Filter {
    fn new(root: &Path, program: &Path, notes: &Path) -> std::io::Result<Self> {
        let notes = notes.canonicalize().unwrap_or_else(|_| notes.to_owned());
        let record = program.with_extension("d");
        Ok(Self { root: root.canonicalize()?, notes, record, written: None, read: BTreeSet::new() })
    }

    /// All folders that matter, the root first.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.root.clone()];
        let mut next = 0;
        while let Some(folder) = folders.get(next) {
            let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
            let inner = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let inner: Vec<_> = inner.map(|entry| entry.path()).filter(|path| !is_skipped(path)).collect();
            folders.extend(inner);
            next += 1;
        }
        folders
    }

    /// What has changed in a burst, for people.
    fn changed(&mut self, burst: &BTreeMap<PathBuf, bool>) -> Option<String> {
        let changed: Vec<_> = burst.iter().filter(|(path, created)| self.matters(path, **created)).collect();
        let first = changed.first()?.0;
        let first = first.strip_prefix(&self.root).unwrap_or(first).display();
        Some(match changed.len() {
            1 => first.to_string(),
            all => format!("{first} and {} more", all - 1),
        })
    }

    /// Whether a path in one of the folders matters. One that is gone mattered, unless it came and went: editors do that.
    fn matters(&mut self, path: &Path, created: bool) -> bool {
        if path == self.root {
            true
        } else if path.is_dir() {
            // What came with it may have been there before it was watched.
            !is_skipped(path) && has_sources(path)
        } else {
            self.is_read(path) && (!created || path.exists())
        }
    }

    /// Whether cargo reads a file of this name, to build the program.
    fn is_read(&mut self, path: &Path) -> bool {
        path != self.notes && (is_source(path) || self.was_read(path))
    }

    fn was_read(&mut self, path: &Path) -> bool {
        let written = fs::metadata(&self.record).and_then(|record| record.modified()).ok();
        if written != self.written {
            self.written = written;
            let files = read_by(&fs::read_to_string(&self.record).unwrap_or_default());
            self.read = files.into_iter().map(|file| file.canonicalize().unwrap_or(file)).collect();
        }
        self.read.contains(path)
    }
}

/// Whether a file is one that cargo reads wherever it lies.
fn is_source(path: &Path) -> bool {
    let Some(name) = path.file_name().map(OsStr::as_encoded_bytes) else { return false };
    !name.starts_with(b".") && (name.ends_with(b".rs") || name == b"Cargo.toml" || name == b"Cargo.lock")
}

/// Whether nothing in a folder matters.
fn is_skipped(folder: &Path) -> bool {
    let name = folder.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
    name.starts_with(b".") || name == b"target" || folder.join(CACHE_TAG).exists()
}

fn has_sources(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| (entry.file_type(), entry.path())).any(|(kind, path)| match kind {
        Ok(kind) if kind.is_dir() => !is_skipped(&path) && has_sources(&path),
        _ => is_source(&path),
    })
}

/// The files in a record, which is a line for `make`: `PROGRAM: FILE FILE`, with `\ ` for a space inside of a name.
fn read_by(record: &str) -> Vec<PathBuf> {
    let (_, files) = record.lines().next().and_then(|line| line.split_once(": ")).unwrap_or_default();
    let files = files.replace("\\ ", "\0");
    files.split(' ').filter(|file| !file.is_empty()).map(|file| file.replace('\0', " ").into()).collect()
}

#[cfg(test)]
mod tests;
