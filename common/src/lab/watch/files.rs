//! Which files change.
//!
//! Folders are watched one by one, so that those that don't matter cost nothing: what git ignores, what begins with a dot,
//! and cargo's target folders, whatever their name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ignore::WalkBuilder;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

/// An editor that saves, or a switch of branches, is over when nothing has changed for so long.
const QUIET: Duration = Duration::from_millis(100);

/// What cargo puts into its target folders.
const CACHE_TAG: &str = "CACHEDIR.TAG";

/// The changes below a folder.
#[derive(Debug)]
pub(super) struct Changes {
    watcher: RecommendedWatcher,
    events: UnboundedReceiver<notify::Result<Event>>,
    filter: Filter,
    /// A burst of changes that is not over yet: each path, and whether the burst began with its creation.
    burst: BTreeMap<PathBuf, bool>,
}

impl Changes {
    /// Watches `folder`. The `notes` are part of the executable, and yet no reason for a new worker.
    pub(super) fn of(folder: &Path, notes: &Path) -> Result<Self, String> {
        let cannot = |cause: &dyn std::fmt::Display| format!("cannot watch `{}`: {cause}", folder.display());
        let filter = Filter::new(folder, notes).map_err(|error| cannot(&error))?;
        if !filter.root.is_dir() {
            return Err(cannot(&"it is no folder"));
        }
        let (tell, events) = mpsc::unbounded_channel();
        let watcher =
            notify::recommended_watcher(move |event| drop(tell.send(event))).map_err(|error| cannot(&error))?;
        let mut changes = Self { watcher, events, filter, burst: BTreeMap::new() };
        changes.watch_folders().map_err(|error| cannot(&error))?;
        Ok(changes)
    }

    /// Waits until something has changed, and then nothing for a while; names it for people. Cancel safe.
    pub(super) async fn next(&mut self) -> String {
        loop {
            let event = if self.burst.is_empty() {
                Ok(self.events.recv().await)
            } else {
                timeout(QUIET, self.events.recv()).await
            };
            match event {
                Ok(Some(event)) => self.take(event),
                Ok(None) => std::future::pending().await,
                Err(_) => {
                    let burst = std::mem::take(&mut self.burst);
                    if let Some(changed) = self.filter.changed(&burst) {
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
            self.burst.entry(path).or_insert(event.kind.is_create());
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
}

impl Filter {
    fn new(root: &Path, notes: &Path) -> std::io::Result<Self> {
        Ok(Self { root: root.canonicalize()?, notes: notes.canonicalize().unwrap_or_else(|_| notes.to_owned()) })
    }

    /// All folders that matter, the root first.
    fn folders(&self) -> Vec<PathBuf> {
        let entries = walk(&self.root).build().filter_map(Result::ok);
        let folders = entries.filter(|entry| entry.file_type().is_some_and(|kind| kind.is_dir()));
        folders.map(ignore::DirEntry::into_path).collect()
    }

    /// What has changed in a burst, for people.
    fn changed(&self, burst: &BTreeMap<PathBuf, bool>) -> Option<String> {
        let mut changed = burst.iter().filter(|(path, created)| self.matters(path, **created));
        let (first, _) = changed.next()?;
        let first = first.strip_prefix(&self.root).unwrap_or(first).display();
        Some(match changed.count() {
            0 => first.to_string(),
            more => format!("{first} and {more} more"),
        })
    }

    /// Whether a path in one of the folders matters. One that is gone mattered, unless it came and went: editors do that.
    fn matters(&self, path: &Path, created: bool) -> bool {
        if path == self.root {
            return true;
        }
        let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden || path == self.notes {
            return false;
        }
        if !path.exists() {
            return !created;
        }
        let mut listed = path.parent().map(|folder| walk(folder).max_depth(Some(1)).build());
        let mut listed = listed.iter_mut().flatten().filter_map(Result::ok);
        listed.any(|entry| entry.path() == path)
    }
}

fn walk(root: &Path) -> WalkBuilder {
    let mut walk = WalkBuilder::new(root);
    walk.require_git(false).filter_entry(|entry| {
        entry.depth() == 0 || (entry.file_name() != "target" && !entry.path().join(CACHE_TAG).exists())
    });
    walk
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
        "e02/scratch.tmp",
    ];

    fn lab() -> Folder {
        let folder = Folder::new(FILES);
        fs::write(folder.0.join(".gitignore"), "/out\n*.tmp\n").unwrap();
        folder
    }

    #[test]
    fn only_what_git_knows_and_cargo_did_not_make_matters() {
        let lab = lab();
        let filter = Filter::new(&lab.0, &lab.0.join("e02/README.rst")).unwrap();
        let mut folders = filter.folders();
        folders.sort();
        assert_eq!(folders, [lab.0.clone(), lab.0.join("e02"), lab.0.join("e02/src")]);
        let matters = |file: &str| filter.matters(&lab.0.join(file), false);
        assert!(matters("e02/src/main.rs") && matters("e02/src/gone.rs"));
        assert!(!filter.matters(&lab.0.join("e02/src/came_and_went.rs"), true));
        for file in ["e02/README.rst", "e02/.main.rs.swp", "e02/scratch.tmp", ".gitignore", "e02/target", "out"] {
            assert!(!matters(file), "{file}");
        }
    }

    #[tokio::test]
    async fn a_change_is_told_once_it_is_over() {
        let lab = lab();
        let mut changes = Changes::of(&lab.0, &lab.0.join("e02/README.rst")).unwrap();
        fs::write(lab.0.join("e02/README.rst"), "new").unwrap();
        fs::write(lab.0.join("e02/target/debug/build.rs"), "new").unwrap();
        // Many editors and tools write a new file, and give it the old name.
        fs::write(lab.0.join("e02/src/sedX"), "new").unwrap();
        fs::rename(lab.0.join("e02/src/sedX"), lab.0.join("e02/src/main.rs")).unwrap();
        assert_eq!(changes.next().await, "e02/src/main.rs");
        fs::remove_file(lab.0.join("e02/src/main.rs")).unwrap();
        assert_eq!(changes.next().await, "e02/src/main.rs");
        // A new folder is watched from then on.
        fs::create_dir(lab.0.join("e03")).unwrap();
        assert_eq!(changes.next().await, "e03");
        fs::write(lab.0.join("e03/main.rs"), "new").unwrap();
        assert_eq!(changes.next().await, "e03/main.rs");
    }
}
