//! How who waits hears of news: within this process at once, from others by a file beside the database.
//!
//! After each commit that makes something ready, or due earlier, a byte goes to the end of `DATABASE.bell`; the system tells
//! everybody who watches that file. No waiter registers anywhere, so none has to be cleaned up after, and whoever can write the
//! database can ring. Only who has waited watches: there are few watches on a machine, and a sender needs none. A bell that was
//! lost, or cannot be watched, delays news by one safety look.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::watch;

use super::files::beside;
use crate::watching::watch_error;

/// A file longer than this, in bytes, begins anew.
const LONG: u64 = 64 * 1024;

/// The bell of one database; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Bell(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: PathBuf,
    path: PathBuf,
    news: watch::Sender<()>,
    /// A transaction that is under way has news.
    is_asked: AtomicBool,
    /// It was told that there is no watch.
    is_unwatched: AtomicBool,
    opened: Mutex<Option<Opened>>,
}

/// The open file, and who watches it.
#[derive(Debug)]
struct Opened {
    file: File,
    inode: u64,
    /// None while nobody waits, or where the system has no watch left; one can ring all the same.
    watcher: Option<RecommendedWatcher>,
}

impl Bell {
    pub(super) fn new(database: &Path) -> Self {
        Self(Arc::new(Inner {
            database: database.to_owned(),
            path: beside(database, ".bell"),
            news: watch::Sender::new(()),
            is_asked: AtomicBool::new(false),
            is_unwatched: AtomicBool::new(false),
            opened: Mutex::default(),
        }))
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
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        // A sender that never waits would ring a bell that was deleted for ever.
        self.reopen(&mut opened);
        let Some(Opened { file, .. }) = opened.as_mut() else { return };
        // Whoever does not hear it looks before long.
        let rung =
            file.write_all(b"!").and_then(|()| if file.metadata()?.len() > LONG { file.set_len(0) } else { Ok(()) });
        if rung.is_err() {
            *opened = None;
        }
    }

    /// What changes with every ring, here or elsewhere.
    pub(super) fn listen(&self) -> watch::Receiver<()> {
        self.0.news.subscribe()
    }

    /// Looks whether the file is still the one that was opened and, where somebody listens, that it is watched.
    pub(super) fn repair(&self) {
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        self.reopen(&mut opened);
        if let Some(opened) = opened.as_mut().filter(|opened| opened.watcher.is_none())
            && self.0.news.receiver_count() > 0
        {
            opened.watcher = self.watching(self.watch());
        }
    }

    /// Opens the file that is there, unless it is the one that was opened.
    fn reopen(&self, opened: &mut Option<Opened>) {
        let there = std::fs::metadata(&self.0.path).ok().map(|found| found.ino());
        if opened.as_ref().is_none_or(|opened| Some(opened.inode) != there) {
            let file = self.open();
            if let Err(error) = &file {
                tracing::debug!(target: "common::broker", "no bell at {}: {error}", self.0.path.display());
            }
            *opened = file.ok();
        }
    }

    fn open(&self) -> std::io::Result<Opened> {
        let file = OpenOptions::new().create(true).append(true).open(&self.0.path)?;
        // As SQLite does with its own files; only the owner may, and for everybody else it was done.
        if let Ok(database) = std::fs::metadata(&self.0.database) {
            let _ = file.set_permissions(database.permissions());
        }
        let inode = file.metadata()?.ino();
        Ok(Opened { file, inode, watcher: None })
    }

    fn watch(&self) -> notify::Result<RecommendedWatcher> {
        let news = self.0.news.clone();
        let mut watcher = notify::recommended_watcher(move |_: notify::Result<notify::Event>| {
            news.send_replace(());
        })?;
        watcher.watch(&self.0.path, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    }

    /// Says once that news from other processes will be late.
    fn watching(&self, watching: notify::Result<RecommendedWatcher>) -> Option<RecommendedWatcher> {
        match watching {
            Ok(watcher) => {
                self.0.is_unwatched.store(false, Ordering::Relaxed);
                Some(watcher)
            }
            Err(error) => {
                if !self.0.is_unwatched.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        target: "common::broker",
                        "{} cannot be watched ({}): messages of other processes are found by looking every {} s",
                        self.0.path.display(),
                        watch_error(&error),
                        super::SAFETY_LOOK.as_secs()
                    );
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn beside_a_database() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tasks.db");
        (folder, path)
    }

    fn ring(bell: &Bell) {
        bell.ask();
        bell.ring_if_asked();
    }

    fn is_watched(bell: &Bell) -> bool {
        bell.0.opened.lock().unwrap().as_ref().is_some_and(|opened| opened.watcher.is_some())
    }

    #[tokio::test]
    async fn a_ring_of_another_process_is_heard() {
        let (_folder, path) = beside_a_database();
        let (here, there) = (Bell::new(&path), Bell::new(&path));
        let mut news = here.listen();
        here.repair();
        news.borrow_and_update();
        ring(&there);
        tokio::time::timeout(PATIENCE, news.changed()).await.unwrap().unwrap();
    }

    #[test]
    fn only_who_has_listened_watches() {
        let (_folder, path) = beside_a_database();
        let bell = Bell::new(&path);
        ring(&bell);
        assert!(!is_watched(&bell));
        let _news = bell.listen();
        bell.repair();
        assert!(is_watched(&bell));
    }

    #[test]
    fn who_cannot_watch_can_still_ring() {
        let (_folder, path) = beside_a_database();
        let bell = Bell::new(&path);
        assert!(bell.watching(Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch))).is_none());
        assert!(bell.0.is_unwatched.load(Ordering::Relaxed), "it is told once");
        ring(&bell);
        assert_eq!(std::fs::read(beside(&path, ".bell")).unwrap(), b"!");
    }

    #[test]
    fn a_sender_rings_the_bell_that_has_taken_the_place_of_its_own() {
        let (_folder, path) = beside_a_database();
        let bell = Bell::new(&path);
        bell.repair();
        std::fs::remove_file(beside(&path, ".bell")).unwrap();
        ring(&bell);
        assert_eq!(std::fs::read(beside(&path, ".bell")).unwrap(), b"!");
    }

    #[test]
    fn a_long_bell_begins_anew() {
        let (_folder, path) = beside_a_database();
        let bell = Bell::new(&path);
        std::fs::write(beside(&path, ".bell"), vec![b'!'; usize::try_from(LONG).unwrap()]).unwrap();
        ring(&bell);
        assert_eq!(std::fs::metadata(beside(&path, ".bell")).unwrap().len(), 0);
    }

    #[test]
    fn whoever_may_write_the_database_may_ring() {
        use std::os::unix::fs::PermissionsExt as _;

        let (_folder, path) = beside_a_database();
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660)).unwrap();
        ring(&Bell::new(&path));
        let mode = std::fs::metadata(beside(&path, ".bell")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
    }
}
