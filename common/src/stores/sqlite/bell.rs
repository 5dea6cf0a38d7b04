//! How who waits hears of news: within this process at once, from others by a file beside the database.
//!
//! After each commit that makes something ready, or due earlier, a byte goes to the end of `DATABASE.bell`; the system tells
//! everybody who watches that file. No waiter registers anywhere, so none has to be cleaned up after, and whoever can write the
//! database can ring. A bell that was lost delays news by one safety look.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::watch;

use super::database::beside;

/// A file longer than this, in bytes, begins anew.
const LONG: u64 = 64 * 1024;

/// The bell of one database; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Bell(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    news: watch::Sender<()>,
    /// A transaction that is under way has news.
    is_asked: AtomicBool,
    rope: Mutex<Option<Rope>>,
}

/// The open file, and who watches it.
#[derive(Debug)]
struct Rope {
    file: File,
    inode: u64,
    _watcher: RecommendedWatcher,
}

impl Bell {
    pub(super) fn new(database: &Path) -> Self {
        let bell = Self(Arc::new(Inner {
            path: beside(database, ".bell"),
            news: watch::Sender::new(()),
            is_asked: AtomicBool::new(false),
            rope: Mutex::default(),
        }));
        bell.mend();
        bell
    }

    /// Asks for a ring once the transaction that is under way is committed.
    pub(super) fn ask(&self) {
        self.0.is_asked.store(true, Ordering::Relaxed);
    }

    /// Rings if somebody asked.
    pub(super) fn ring_if_asked(&self) {
        if !self.0.is_asked.swap(false, Ordering::Relaxed) {
            return;
        }
        self.0.news.send_replace(());
        // A sender that never waits would ring a bell that was deleted for ever.
        self.mend();
        let mut rope = self.0.rope.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Rope { file, .. }) = rope.as_mut() else { return };
        // Whoever does not hear it looks before long.
        let rung =
            file.write_all(b"!").and_then(|()| if file.metadata()?.len() > LONG { file.set_len(0) } else { Ok(()) });
        if rung.is_err() {
            *rope = None;
        }
    }

    /// What changes with every ring, here or elsewhere.
    pub(super) fn listen(&self) -> watch::Receiver<()> {
        self.0.news.subscribe()
    }

    /// Looks whether the file is still the one that is watched, and hangs up a new one where it is not.
    pub(super) fn mend(&self) {
        let mut rope = self.0.rope.lock().unwrap_or_else(PoisonError::into_inner);
        let there = std::fs::metadata(&self.0.path).ok().map(|found| found.ino());
        if rope.as_ref().is_some_and(|rope| Some(rope.inode) == there) {
            return;
        }
        match self.hang() {
            Ok(new) => *rope = Some(new),
            Err(error) => {
                tracing::debug!(target: "common::broker", "no bell at {}: {error}", self.0.path.display());
                *rope = None;
            }
        }
    }

    fn hang(&self) -> notify::Result<Rope> {
        let file = OpenOptions::new().create(true).append(true).open(&self.0.path)?;
        let inode = file.metadata()?.ino();
        let news = self.0.news.clone();
        let mut watcher = notify::recommended_watcher(move |_: notify::Result<notify::Event>| {
            news.send_replace(());
        })?;
        watcher.watch(&self.0.path, RecursiveMode::NonRecursive)?;
        Ok(Rope { file, inode, _watcher: watcher })
    }
}
