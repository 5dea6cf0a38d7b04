//! The folders that are watched, each by itself.
//!
//! The system watches what a path names at the time, not the path. So of each folder is kept what it was: another one under
//! the same name is watched anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::watching::watch_error;

/// Folders, and what watches them.
#[derive(Debug)]
pub(super) struct Watched {
    watcher: RecommendedWatcher,
    folders: BTreeMap<PathBuf, Identity>,
}

impl Watched {
    /// Watches nothing yet; what happens is told.
    pub(super) fn new(tell: impl Fn(notify::Result<Event>) + Send + 'static) -> Result<Self, String> {
        let watcher = notify::recommended_watcher(tell).map_err(|error| watch_error(&error))?;
        Ok(Self { watcher, folders: BTreeMap::new() })
    }

    /// Watches these folders and no others. Those that have vanished meanwhile need no watching.
    pub(super) fn set(&mut self, wanted: BTreeSet<PathBuf>) -> Result<(), String> {
        let surplus: Vec<_> = self.folders.keys().filter(|folder| !wanted.contains(*folder)).cloned().collect();
        for folder in surplus {
            self.folders.remove(&folder);
            let _ = self.watcher.unwatch(&folder);
        }
        for folder in wanted {
            let Some(identity) = Identity::of(&folder) else { continue };
            if self.folders.get(&folder) == Some(&identity) {
                continue;
            }
            // One of the same name may still be watched that is elsewhere by now.
            let _ = self.watcher.unwatch(&folder);
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.folders.insert(folder, identity)),
                Err(error) if folder.is_dir() => return Err(watch_error(&error)),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Knows no longer that a folder, and what lies in it, is watched.
    pub(super) fn forget(&mut self, path: &Path) {
        self.folders.retain(|folder, _| !folder.starts_with(path));
    }

    /// The same for all folders.
    pub(super) fn forget_all(&mut self) {
        self.folders.clear();
    }

    /// Folders that are others now than those that are watched. What is gone is forgotten.
    pub(super) fn replaced(&mut self) -> Vec<PathBuf> {
        let mut replaced = Vec::new();
        self.folders.retain(|folder, watched| match Identity::of(folder) {
            Some(identity) if identity == *watched => true,
            Some(_) => {
                replaced.push(folder.clone());
                false
            }
            None => false,
        });
        replaced
    }
}

/// Tells a folder from another one that takes its name.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    inode: (u64, u64),
    /// An inode is used again, and not every file system knows this.
    created: Option<SystemTime>,
}

impl Identity {
    fn of(folder: &Path) -> Option<Self> {
        let metadata = fs::metadata(folder).ok().filter(fs::Metadata::is_dir)?;
        Some(Self {
            #[cfg(unix)]
            inode: {
                use std::os::unix::fs::MetadataExt as _;
                (metadata.dev(), metadata.ino())
            },
            created: metadata.created().ok(),
        })
    }
}
