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
mod tests {
    use std::fs;

    use super::*;

    /// A folder that vanishes at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(files: &[&str]) -> Self {
            let root = std::env::temp_dir().join(format!("lab-{}", crate::message::MessageId::random()));
            for file in files {
                let path = root.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            Self(root.canonicalize().unwrap())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const FILES: &[&str] = &[
        "e02/src/main.rs",
        "e02/README.rst",
        "e02/target/debug/build.rs",
        "built/CACHEDIR.TAG",
        "built/debug/out.rs",
        "out/log",
        ".git/HEAD",
        "e02/.main.rs.swp",
        "e02/tasks.db",
        "e02/src/take two.lua",
    ];

    fn lab() -> Folder {
        let folder = Folder::new(FILES);
        let file = |name: &str| folder.0.join(name).display().to_string().replace(' ', "\\ ");
        let read = ["e02/README.rst", "e02/src/main.rs", "e02/src/take two.lua"].map(file);
        fs::write(folder.0.join("built/debug/e02.d"), format!("{}: {}\n", file("built/debug/e02"), read.join(" ")))
            .unwrap();
        folder
    }

    impl Folder {
        fn changes(&self) -> Changes {
            Changes::of(&self.0, &self.0.join("built/debug/e02"), &self.0.join("e02/README.rst")).unwrap()
        }

        fn filter(&self) -> Filter {
            Filter::new(&self.0, &self.0.join("built/debug/e02"), &self.0.join("e02/README.rst")).unwrap()
        }
    }

    #[test]
    fn only_what_cargo_reads_matters() {
        let lab = lab();
        let mut filter = lab.filter();
        let mut folders = filter.folders();
        folders.sort();
        assert_eq!(
            folders,
            ["", "e02", "e02/src", "out"].map(|name| lab.0.join(name).components().collect::<PathBuf>())
        );
        let mut matters = |file: &str, created| filter.matters(&lab.0.join(file), created);
        for file in ["e02/src/main.rs", "e02/src/gone.rs", "e02/src/take two.lua", "e02/Cargo.toml", "e02/src"] {
            assert!(matters(file, false), "{file}");
        }
        for file in ["e02/README.rst", "e02/.main.rs.swp", "e02/tasks.db", "out/log", "out", "e02/target"] {
            assert!(!matters(file, false), "{file}");
        }
        assert!(!matters("e02/src/came_and_went.rs", true));
        assert!(matters("e02/src/main.rs", true));
    }

    #[test]
    fn what_a_later_build_reads_matters_from_then_on() {
        let lab = lab();
        let mut filter = lab.filter();
        let log = lab.0.join("out/log");
        assert!(!filter.matters(&log, false));
        let record = lab.0.join("built/debug/e02.d");
        fs::write(&record, format!("e02: {}\n", log.display())).unwrap();
        let later = fs::metadata(&record).unwrap().modified().unwrap() + Duration::from_secs(2);
        fs::File::options().write(true).open(record).unwrap().set_modified(later).unwrap();
        assert!(filter.matters(&log, false));
    }

    #[tokio::test]
    async fn a_change_is_told_while_a_database_is_written_all_the_time() {
        let lab = lab();
        let mut changes = lab.changes();
        let database = lab.0.join("e02/tasks.db");
        let written = async {
            loop {
                fs::write(&database, "new").unwrap();
                tokio::task::yield_now().await;
            }
        };
        fs::write(lab.0.join("e02/src/main.rs"), "new").unwrap();
        tokio::select! {
            file = changes.next() => assert_eq!(file, "e02/src/main.rs"),
            () = written => {}
        }
    }

    #[tokio::test]
    async fn a_change_is_told_once_it_is_over() {
        let lab = lab();
        let mut changes = lab.changes();
        fs::write(lab.0.join("e02/README.rst"), "new").unwrap();
        fs::write(lab.0.join("e02/target/debug/build.rs"), "new").unwrap();
        fs::write(lab.0.join("e02/tasks.db"), "new").unwrap();
        // Many editors and tools write a new file, and give it the old name.
        fs::write(lab.0.join("e02/src/sedX"), "new").unwrap();
        fs::rename(lab.0.join("e02/src/sedX"), lab.0.join("e02/src/main.rs")).unwrap();
        assert_eq!(changes.next().await, "e02/src/main.rs");
        fs::remove_file(lab.0.join("e02/src/main.rs")).unwrap();
        assert_eq!(changes.next().await, "e02/src/main.rs");
        // A new folder is watched from then on, and what came with it is not missed.
        fs::create_dir(lab.0.join(".new")).unwrap();
        fs::write(lab.0.join(".new/main.rs"), "new").unwrap();
        fs::rename(lab.0.join(".new"), lab.0.join("e03")).unwrap();
        assert_eq!(changes.next().await, "e03");
        fs::write(lab.0.join("e03/main.rs"), "newer").unwrap();
        assert_eq!(changes.next().await, "e03/main.rs");
    }
}
