//! What all measurements on a file stand on.

use std::path::PathBuf;

use common::actor::actors;
use common::broker::Broker;
use common::message::MessageId;
use common::worker::Worker;

use crate::support::load::{Tally, answer, no_op};
use crate::support::{Failed, child};

/// What is measured where.
#[derive(Debug)]
pub(crate) struct Setup {
    /// A round's messages.
    pub(crate) messages: usize,
    /// Whether each commit waits for the disk.
    pub(crate) full: bool,
    /// How many workers are killed.
    pub(crate) kills: usize,
    /// Where the files go.
    pub(crate) folder: PathBuf,
}

/// A folder with a file that nobody else uses; gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    full: bool,
}

impl Place {
    pub(crate) fn new(setup: &Setup) -> Result<Self, Failed> {
        let folder = setup.folder.join(format!("bench-{}", MessageId::random().short()));
        std::fs::create_dir(&folder)?;
        Ok(Self { folder, full: setup.full })
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("tasks.db")
    }

    pub(crate) fn url(&self) -> String {
        let option = if self.full { "?synchronous=full" } else { "" };
        format!("sqlite:{}{option}", self.file().display())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left in a temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a child does, until its parent ends it or is gone.
pub(crate) async fn work(url: &str) -> Result<(), Failed> {
    let worker = Worker::new(Broker::connect(url).await?).actors(actors![no_op, answer]);
    child::work(worker.state(Tally::expecting(0))).await
}
