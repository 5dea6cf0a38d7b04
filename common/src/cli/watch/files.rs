//! Which files change.
//!
//! What cargo reads matters: Rust's sources, `Cargo.toml`, `Cargo.lock`, and whatever else the last build has read, which cargo
//! notes beside the program (`PROGRAM.d`). A log or a database in the same folder is no reason to build.
//!
//! Folders are watched one by one (watched.rs), so that those that don't matter cost nothing: what begins with a dot, and
//! cargo's target folders, whatever their name. A source that is a link, or lies behind one, is watched where it really is.
//!
//! The folder itself may be replaced: by a switch of branches, by a link that points elsewhere, or removed for a while.
//! The system tells of none of that what is needed, so it is looked at every [`LOOK`].

mod filter;
mod watched;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

use self::filter::Filter;
use self::watched::Watched;
use crate::clock::Stopwatch;

/// An editor that saves, or a switch of branches, is over when nothing that matters has changed for so long.
const QUIET: Duration = Duration::from_millis(100);

/// How often to look whether the folders are the ones that are watched.
const LOOK: Duration = Duration::from_secs(1);

/// The changes below a folder.
#[derive(Debug)]
pub(super) struct Changes {
    watched: Watched,
    events: UnboundedReceiver<notify::Result<Event>>,
    filter: Filter,
    burst: Burst,
    /// Since the last look.
    looked: Stopwatch,
    /// The folder was not there then.
    is_gone: bool,
    /// What went wrong at last, told once.
    trouble: Option<String>,
}

/// Changes that are not over yet.
#[derive(Debug, Default)]
struct Burst {
    /// Each path, and whether the burst began with its creation.
    paths: BTreeMap<PathBuf, bool>,
    /// Runs since the last one of them; not there without any.
    since: Option<Stopwatch>,
}

impl Burst {
    fn add(&mut self, path: PathBuf, is_created: bool) {
        self.paths.entry(path).or_insert(is_created);
        self.since = Some(Stopwatch::start());
    }
}

impl Changes {
    /// Watches `folder`, for the sources of `program`. The `notes` are part of it, and yet no reason for a new worker.
    pub(super) fn of(folder: &Path, program: &Path, notes: &Path) -> Result<Self, String> {
        let cannot = |cause: &dyn std::fmt::Display| format!("cannot watch `{}`: {cause}", folder.display());
        let mut filter = Filter::new(folder, program, notes).map_err(|error| cannot(&error))?;
        if !filter.root().is_dir() {
            return Err(cannot(&"it is no folder"));
        }
        let (tell, events) = mpsc::unbounded_channel();
        let mut watched = Watched::new(move |event| drop(tell.send(event))).map_err(|error| cannot(&error))?;
        watched.set(filter.folders()).map_err(|error| cannot(&error))?;
        Ok(Self {
            watched,
            events,
            filter,
            burst: Burst::default(),
            looked: Stopwatch::start(),
            is_gone: false,
            trouble: None,
        })
    }

    /// Waits until something has changed, and then nothing for a while; names it for people. Cancel safe.
    pub(super) async fn next(&mut self) -> String {
        loop {
            let quiet = self.burst.since.map(|since| QUIET.saturating_sub(since.elapsed()));
            if quiet.is_some_and(|left| left.is_zero()) {
                let burst = std::mem::take(&mut self.burst);
                if let Some(changed) = self.filter.changed(&burst.paths) {
                    return changed;
                }
                continue;
            }
            let look = LOOK.saturating_sub(self.looked.elapsed());
            match timeout(quiet.map_or(look, |quiet| quiet.min(look)), self.events.recv()).await {
                Ok(Some(event)) => self.take(event),
                Ok(None) => std::future::pending().await,
                Err(_) => self.check(),
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
            self.watched.forget_all();
            event.paths.push(self.filter.root().to_owned());
        }
        if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(notify::event::ModifyKind::Name(_))) {
            // What comes back under that name is watched anew, although it may be the same.
            for path in &event.paths {
                self.watched.forget(path);
            }
        }
        if event.paths.iter().any(|path| path.is_dir() || path == self.filter.root()) {
            self.watch_folders();
        }
        for path in event.paths {
            if path.is_dir() || self.filter.is_read(&path) {
                self.burst.add(path, event.kind.is_create());
            }
        }
    }

    /// Looks whether the folder is still the one that is watched, and all that matters in it.
    fn check(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Stopwatch::start();
        let folder = self.filter.folder().display().to_string();
        match self.filter.find_root() {
            None if !self.is_gone => {
                tracing::warn!(target: "common::watch", "{folder} is gone; it is watched again when it is back");
                self.is_gone = true;
            }
            None => {}
            Some(is_new) => {
                if is_new || self.is_gone {
                    let how = if self.is_gone { "is back" } else { "is another folder now" };
                    tracing::info!(target: "common::watch", "{folder} {how}; watching it");
                    self.burst.add(self.filter.root().to_owned(), false);
                }
                self.is_gone = false;
                let replaced = self.watched.replaced();
                if is_new || !replaced.is_empty() || self.filter.refresh() {
                    self.watch_folders();
                }
                for folder in replaced {
                    self.burst.add(folder, false);
                }
            }
        }
    }

    fn watch_folders(&mut self) {
        let trouble = self.watched.set(self.filter.folders()).err();
        if trouble.is_some() && trouble != self.trouble {
            let cause = trouble.as_deref().unwrap_or_default();
            tracing::warn!(target: "common::watch", "changes will be missed, not every folder can be watched: {cause}");
        }
        self.trouble = trouble;
    }
}

#[cfg(test)]
mod tests;
